//! NATS by hand: what a test does to a broker behind the back of `bus`.

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use uuid::Uuid;

/// A connection that speaks the protocol itself.
pub struct RawNats {
    stream: BufReader<TcpStream>,
    inbox: String,
}

/// A message as it came.
#[derive(Debug)]
pub struct RawMessage {
    /// Its subject.
    pub subject: String,
    /// Where to answer; of a JetStream message, where to acknowledge.
    pub reply: Option<String>,
    /// The first line of its headers: the status of a pull request.
    pub status: Option<String>,
    /// Its headers, as they are written.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl RawNats {
    /// Connects, and listens on an inbox of its own.
    pub async fn connect(url: &str) -> std::io::Result<Self> {
        let address = url.strip_prefix("nats://").unwrap_or(url);
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let mut greeting = String::new();
        stream.read_line(&mut greeting).await?;
        let inbox = format!("_INBOX.{}", Uuid::new_v4().simple());
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true}}\r\nSUB {inbox}.* 1\r\n"
        );
        stream.write_all(hello.as_bytes()).await?;
        Ok(Self { stream, inbox })
    }

    /// Publishes; an answer comes to the inbox under `token`.
    pub async fn publish(
        &mut self,
        subject: &str,
        token: &str,
        body: &[u8],
    ) -> std::io::Result<()> {
        let head = format!("PUB {subject} {}.{token} {}\r\n", self.inbox, body.len());
        self.stream.write_all(&[head.as_bytes(), body, b"\r\n"].concat()).await
    }

    /// Subscribes, and waits until the server knows.
    pub async fn subscribe(&mut self, subject: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("SUB {subject} 2\r\nPING\r\n").as_bytes()).await?;
        let mut line = String::new();
        while !line.starts_with("PONG") {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The next message.
    pub async fn next(&mut self) -> std::io::Result<RawMessage> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.first().copied() {
                Some("PING") => self.stream.write_all(b"PONG\r\n").await?,
                Some(kind @ ("MSG" | "HMSG")) => return self.message(kind == "HMSG", &words).await,
                _ => {}
            }
        }
    }

    async fn message(&mut self, headers: bool, words: &[&str]) -> std::io::Result<RawMessage> {
        let sizes = if headers { 2 } else { 1 };
        let number = |place: usize| words[words.len() - place].parse().unwrap_or(0_usize);
        let (total, head) = (number(1), if headers { number(2) } else { 0 });
        let mut payload = vec![0; total + 2];
        self.stream.read_exact(&mut payload).await?;
        payload.truncate(total);
        let body = payload.split_off(head);
        let head = String::from_utf8_lossy(&payload);
        let status = head.lines().next().map(str::to_owned);
        let pairs = head.lines().filter_map(|line| line.split_once(':'));
        let headers =
            pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        // MSG <subject> <sid> [reply] <sizes>
        let reply = (words.len() == 4 + sizes).then(|| words[3].to_owned());
        Ok(RawMessage { subject: words[1].to_owned(), reply, status, headers, body })
    }

    /// Asks, and waits for the one answer.
    pub async fn request(&mut self, subject: &str, body: &[u8]) -> std::io::Result<Value> {
        self.publish(subject, "request", body).await?;
        let answer = self.next().await?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }
}
