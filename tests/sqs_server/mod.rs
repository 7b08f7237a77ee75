//! An SQS inside the test process, on a free port of the loopback interface: one queue, in the JSON protocol that SQS's API
//! reference says. What is hidden comes again when its time runs out, by a clock that a test may put forward.
#![allow(dead_code, reason = "each test binary that includes this uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::loopback::{Cut, Loopback};

/// A running queue; dropping it stops it.
pub struct Server {
    shared: Arc<Mutex<Queue>>,
    http: Loopback,
}

#[derive(Default)]
struct Queue {
    messages: Vec<Message>,
    /// How far the clock has been put forward.
    forward: Duration,
    /// Every action that was asked for, in order.
    calls: Vec<String>,
    /// Deliveries so far: each has a receipt of its own.
    deliveries: u64,
    /// Actions that fail, with a status of 500, as often as they stand here.
    failing: Vec<&'static str>,
}

struct Message {
    id: String,
    body: String,
    hidden_until: Option<Instant>,
    receipt: String,
    received: u32,
}

impl Server {
    pub fn start() -> Server {
        let shared = Arc::new(Mutex::new(Queue::default()));
        let answering = shared.clone();
        let http = Loopback::start(move |request| {
            let shared = answering.clone();
            async move { answer(&shared, request).await }
        });
        Server { shared, http }
    }

    /// The queue's URL.
    pub fn url(&self) -> String {
        format!("{}/123456789012/events", self.http.url())
    }

    pub fn send(&self, body: &str) {
        let mut queue = self.shared.lock().unwrap();
        let id = format!("m{}", queue.messages.len() + queue.deliveries as usize);
        queue.messages.push(Message { id, body: body.into(), hidden_until: None, receipt: String::new(), received: 0 });
    }

    /// Messages that are in the queue, hidden or not.
    pub fn len(&self) -> usize {
        self.shared.lock().unwrap().messages.len()
    }

    /// Those of them that would be delivered now.
    pub fn visible(&self) -> usize {
        let queue = self.shared.lock().unwrap();
        queue.messages.iter().filter(|message| queue.is_visible(message)).count()
    }

    pub fn forward(&self, time: Duration) {
        self.shared.lock().unwrap().forward += time;
    }

    pub fn calls(&self, action: &str) -> usize {
        self.shared.lock().unwrap().calls.iter().filter(|call| *call == action).count()
    }

    /// Lets an action fail once more.
    pub fn fail(&self, action: &'static str) {
        self.shared.lock().unwrap().failing.push(action);
    }
}

impl Queue {
    fn now(&self) -> Instant {
        Instant::now() + self.forward
    }

    fn is_visible(&self, message: &Message) -> bool {
        message.hidden_until.is_none_or(|until| until <= self.now())
    }

    fn receive(&mut self, most: u64, hidden: Duration) -> Vec<Value> {
        let now = self.now();
        let mut found = Vec::new();
        for message in &mut self.messages {
            if found.len() as u64 == most {
                break;
            }
            if message.hidden_until.is_some_and(|until| until > now) {
                continue;
            }
            self.deliveries += 1;
            message.received += 1;
            message.receipt = format!("{}#{}", message.id, self.deliveries);
            message.hidden_until = Some(now + hidden);
            found.push(json!({"MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body}));
        }
        found
    }

    /// What a batch does to each of its entries.
    fn batch(&mut self, body: &Value, mut one: impl FnMut(&mut Queue, &str, &Value) -> bool) -> Value {
        let entries = body["Entries"].as_array().unwrap();
        assert!((1..=10).contains(&entries.len()), "SQS takes 1 to 10 entries");
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let id = &entry["Id"];
            match one(self, entry["ReceiptHandle"].as_str().unwrap(), entry) {
                true => successful.push(json!({"Id": id})),
                false => failed.push(json!({"Id": id, "SenderFault": true, "Code": "ReceiptHandleIsInvalid"})),
            }
        }
        json!({"Successful": successful, "Failed": failed})
    }
}

async fn answer(shared: &Mutex<Queue>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.strip_prefix("AmazonSQS.").expect("a target of SQS").to_owned();
    let body = request.into_body().collect().await.map_err(|_| Cut)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    {
        let mut queue = shared.lock().unwrap();
        queue.calls.push(action.clone());
        if let Some(at) = queue.failing.iter().position(|failing| *failing == action) {
            queue.failing.remove(at);
            return Ok(respond(StatusCode::FORBIDDEN, &json!({"__type": "com.amazonaws.sqs#AccessDenied"})));
        }
    }
    if body["QueueUrl"].as_str().is_none_or(|url| !url.ends_with("/123456789012/events")) {
        let missing = json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no such queue"});
        return Ok(respond(StatusCode::BAD_REQUEST, &missing));
    }
    let answer = match action.as_str() {
        "ReceiveMessage" => {
            let hidden = Duration::from_secs(body["VisibilityTimeout"].as_u64().unwrap_or(30));
            let most = body["MaxNumberOfMessages"].as_u64().unwrap_or(1);
            let until = Instant::now() + Duration::from_secs(body["WaitTimeSeconds"].as_u64().unwrap_or(0));
            let mut found = shared.lock().unwrap().receive(most, hidden);
            while found.is_empty() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(20)).await;
                found = shared.lock().unwrap().receive(most, hidden);
            }
            if found.is_empty() { json!({}) } else { json!({"Messages": found}) }
        }
        "DeleteMessageBatch" => shared.lock().unwrap().batch(&body, |queue, receipt, _| {
            let before = queue.messages.len();
            queue.messages.retain(|message| message.receipt != receipt);
            queue.messages.len() < before
        }),
        "ChangeMessageVisibilityBatch" => shared.lock().unwrap().batch(&body, |queue, receipt, entry| {
            let until = queue.now() + Duration::from_secs(entry["VisibilityTimeout"].as_u64().unwrap());
            let found = queue.messages.iter_mut().find(|message| message.receipt == receipt);
            found.map(|message| message.hidden_until = Some(until)).is_some()
        }),
        other => panic!("{other} is asked for by nobody"),
    };
    Ok(respond(StatusCode::OK, &answer))
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(Full::new(Bytes::from(body.to_string()))).unwrap()
}
