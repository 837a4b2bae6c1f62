"""The boards of Grafana, made by its own library: `python -m tests.boards` writes deploy/grafana/boards."""
