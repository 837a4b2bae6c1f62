"""What goes wrong on purpose at the gateway: by plan and by command, on the line, at the server, at the venue."""
