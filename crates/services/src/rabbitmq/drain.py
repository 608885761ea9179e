"""Takes every message out of a queue with pika, and prints each as a line of JSON.

Run by `RabbitMq::pika_drain`: drain.py URL QUEUE. It ends when the queue is empty.
"""

import base64
import json
import sys

import pika


def text(value):
    """A header as pika read it; what JSON does not know is shown as Python does."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def main(url, queue):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=False)
        if method is None:
            break
        message = {
            "body": base64.b64encode(body).decode("ascii"),
            "exchange": method.exchange,
            "routing_key": method.routing_key,
            "redelivered": method.redelivered,
            "message_id": properties.message_id,
            "type": properties.type,
            "timestamp": properties.timestamp,
            "content_type": properties.content_type,
            "delivery_mode": properties.delivery_mode,
            "headers": {name: text(value) for name, value in (properties.headers or {}).items()},
        }
        print(json.dumps(message))
        channel.basic_ack(method.delivery_tag)
    connection.close()


main(*sys.argv[1:])
