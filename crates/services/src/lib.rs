//! Real servers for tests: PostgreSQL, RabbitMQ and Apache Kafka on private ports and folders.
