"""The paper gateway as a process: its file, its clock, its state on disk, its market, its operator's socket."""
