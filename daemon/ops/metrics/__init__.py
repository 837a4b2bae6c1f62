"""What Prometheus gets: the catalogue of all metrics, and how they are made from what ops knows."""
