"""What is allowed: the gate every order passes."""
