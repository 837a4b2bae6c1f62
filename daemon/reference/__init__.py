"""The reference tables of a run: sessions, contracts, fees; built apart from the trader."""
