"""Measurements of Faust and aiokafka on Apache Kafka; docs/adr/0006 has the figures and what follows from them."""
