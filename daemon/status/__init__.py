"""The picture of the running trader: its structs, how it is made, how it is shown."""
