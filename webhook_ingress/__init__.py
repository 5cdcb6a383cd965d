"""The door for callbacks: bytes and headers go to Kafka, and the gateway hears yes only when they are stored there."""
