"""One module per revision, with its SQL for each dialect beside it."""
