"""The process that watches the trader for machines and people elsewhere: metrics, probes, status API, MQTT."""
