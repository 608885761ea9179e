//! A destination with a real RabbitMQ behind a proxy, read back by pika.

use sluicebox_services::RabbitMq;
use sluicebox_testkit::contract::{Destination, Promise, Refused};
use sluicebox_testkit::{FaultProxy, framing};

use crate::contract;
use crate::servers::unique;

/// A durable queue, written to by way of the default exchange.
pub(crate) struct Queue {
    rabbitmq: RabbitMq,
    proxies: [FaultProxy; 1],
    name: String,
    _folder: Option<tempfile::TempDir>,
}

impl Queue {
    fn shared() -> Option<Self> {
        Some(Self::of(RabbitMq::shared()?, None))
    }

    /// On a broker that may be killed.
    fn private() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self::of(RabbitMq::private(folder.path())?, Some(folder)))
    }

    fn of(rabbitmq: RabbitMq, folder: Option<tempfile::TempDir>) -> Self {
        let proxies = [FaultProxy::framed(rabbitmq.address(), framing::amqp)];
        Self { rabbitmq, proxies, name: unique("contract"), _folder: folder }
    }
}

impl Destination for Queue {
    fn options(&self) -> String {
        let name = &self.name;
        let key = format!("'{name}{{{{ event.data.where ?? \"\" }}}}'");
        format!(
            "type: amqp, url: \"${{URL}}\", routing_key: {key}, declare: {{ queue: {{ name: {name}, type: classic }} }}"
        )
    }

    fn variables(&self) -> Vec<(String, String)> {
        vec![("URL".to_owned(), self.rabbitmq.url_at(self.proxies[0].address()))]
    }

    fn promise(&self) -> Promise {
        Promise::AtLeastOnce
    }

    fn arrived(&mut self) -> Vec<String> {
        let messages = self.rabbitmq.pika_drain(&self.name);
        messages.into_iter().map(|message| String::from_utf8(message.body).unwrap()).collect()
    }

    fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    fn kill_server(&self) -> bool {
        self.rabbitmq.kill();
        self.rabbitmq.start();
        true
    }

    /// A routing key that leads to no queue.
    fn refused(&self) -> Option<Refused> {
        let data = r#"{"where":"-nowhere"}"#.to_owned();
        Some(Refused { data, options: String::new(), reason: "rejected" })
    }
}

contract!(
    amqp,
    Queue::shared(),
    [whole, killed, connections_cut, slow, late_replies, stopped_and_resumed, rejected]
);
contract!(amqp_broker, Queue::private(), [server_killed]);
