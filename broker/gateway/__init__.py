"""The paper gateway: a server of the TWS socket protocol (text, versions 157 to 178) over the simulated venue."""
