//! Every way of being refused, in OpenAI's words, and free of charge.

use http::Method;
use serde_json::{Value, json};
use testkit::Upstream;
use testkit::http::{Answer, Request};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use crate::world::{MODEL, Plan, World, hello};

async fn world(plan: Plan) -> World {
    let upstream = Upstream::unreachable_base_url();
    World::start(testkit::databases::sqlite(), &[upstream], plan).await
}

fn check(answer: &Answer, status: u16, code: impl Into<Value>, opening: &str) {
    let code = code.into();
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code, "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with(opening), "{message}");
    assert_eq!(
        error.as_object().unwrap().len(),
        4,
        "message, type, param, code"
    );
    assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_work() {
    let world = world(Plan::default()).await;
    let url = world.url("/chat/completions");
    let post = async |authorization: Option<String>| {
        let mut request = Request::post(&url).json(&hello(5));
        if let Some(value) = authorization {
            request = request.header("authorization", &value);
        }
        request.send().await.unwrap()
    };
    let missing = "You didn't provide an API key.";
    check(&post(None).await, 401, Value::Null, missing);
    check(
        &post(Some("Bearer ".into())).await,
        401,
        Value::Null,
        missing,
    );
    let incorrect = "Incorrect API key provided: ";
    let mut mistyped = world.key().to_owned();
    mistyped.replace_range(20..21, if &mistyped[20..21] == "a" { "b" } else { "a" });
    for bad in [mistyped.as_str(), "sk-proj-nonsense", "x", "' OR '1'='1"] {
        let answer = post(Some(format!("Bearer {bad}"))).await;
        check(&answer, 401, "invalid_api_key", incorrect);
        assert!(
            !answer.text().contains(bad) || bad.len() < 2,
            "the key is not echoed"
        );
    }
    let admin = format!("Bearer {}", world.made.admin_key.expose());
    check(&post(Some(admin)).await, 401, "invalid_api_key", incorrect);

    let named = async |name: &str, value: &str| {
        let request = Request::post(&url).bearer(world.key()).header(name, value);
        request.json(&hello(5)).send().await.unwrap()
    };
    let answer = named("openai-organization", "org-other").await;
    check(
        &answer,
        401,
        "mismatched_organization",
        "OpenAI-Organization header should",
    );
    let answer = named("openai-project", "proj_other").await;
    check(
        &answer,
        401,
        "mismatched_project",
        "OpenAI-Project header should",
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense() {
    let world = world(Plan {
        body_bytes: 4_096,
        ..Plan::default()
    })
    .await;
    let url = world.url("/chat/completions");
    let send = async |content_type: &str, body: String| {
        let request = Request::post(&url)
            .bearer(world.key())
            .body(content_type, body);
        request.send().await.unwrap()
    };
    let json_type = "application/json";
    let answer = send(json_type, "{nonsense".into()).await;
    check(
        &answer,
        400,
        Value::Null,
        "We could not parse the JSON body of your request.",
    );
    let answer = send("text/plain", hello(5).to_string()).await;
    check(
        &answer,
        400,
        Value::Null,
        "Invalid Content-Type header (text/plain)",
    );
    let answer = send(json_type, json!({"messages": []}).to_string()).await;
    check(
        &answer,
        400,
        Value::Null,
        "you must provide a model parameter",
    );
    let answer = send(json_type, json!({"model": MODEL}).to_string()).await;
    check(
        &answer,
        400,
        "missing_required_parameter",
        "Missing required parameter",
    );
    assert_eq!(answer.json()["error"]["param"], "messages");
    let answer = send(json_type, " ".repeat(5_000)).await;
    check(&answer, 413, Value::Null, "The request body is too large");
    let gzipped = Request::post(&url).bearer(world.key()).json(&hello(5));
    let answer = gzipped
        .header("content-encoding", "gzip")
        .send()
        .await
        .unwrap();
    check(
        &answer,
        415,
        Value::Null,
        "Unsupported Content-Encoding header (gzip)",
    );
    assert!(
        world.usage().await.is_empty(),
        "refused requests are not usage"
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_paths_that_do_not_exist() {
    let world = world(Plan::default()).await;
    let url = world.url("/chat/completions");
    let json_type = "application/json";
    let send = async |content_type: &str, body: String| {
        let request = Request::post(&url)
            .bearer(world.key())
            .body(content_type, body);
        request.send().await.unwrap()
    };
    let model = |model: &str| {
        let mut body = hello(5);
        body["model"] = model.into();
        body.to_string()
    };
    let answer = send(json_type, model("nothing")).await;
    check(
        &answer,
        404,
        "model_not_found",
        "The model `nothing` does not exist",
    );
    let answer = send(json_type, model("unpriced")).await;
    check(
        &answer,
        400,
        "model_not_priced",
        "The model `unpriced` has no price",
    );
    let body = json!({"model": "vendor/chat-only", "input": "x"});
    let answer = testkit::http::post_json(&world.url("/embeddings"), world.key(), &body).await;
    check(
        &answer,
        404,
        "endpoint_not_offered",
        "The model `vendor/chat-only` does not",
    );

    let answer = testkit::http::get(&world.url("/nothing/here"), world.key()).await;
    check(
        &answer,
        404,
        Value::Null,
        "Invalid URL (GET /v1/nothing/here)",
    );
    let answer = Request::new(Method::DELETE, &url)
        .bearer(world.key())
        .send()
        .await
        .unwrap();
    check(
        &answer,
        405,
        "method_not_supported",
        "Not allowed to DELETE on /v1/chat",
    );
    assert!(
        world.usage().await.is_empty(),
        "refused requests are not usage"
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_credit_is_a_refusal_that_clients_do_not_repeat() {
    let world = world(Plan {
        credit: "0.0001",
        ..Plan::default()
    })
    .await;
    let answer = world.chat(&hello(500)).await;
    check(
        &answer,
        429,
        "credit_balance_exhausted",
        "You exceeded your current quota",
    );
    assert_eq!(answer.json()["error"]["type"], "insufficient_quota");
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert!(answer.text().contains("$0.0001"), "{}", answer.text());
    assert!(answer.text().contains("http://farebox.test/billing"));
    world.at_rest().await;
}

/// Sends a request whole before it looks for the answer, as most clients do. Answers status and
/// error code.
async fn exchange(socket: &mut BufStream<TcpStream>, head: &str, body: &[u8]) -> (u16, Value) {
    let length = body.len();
    let head = format!("{head}host: farebox\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("it listens");
    socket.write_all(body).await.expect("it takes the body");
    socket.flush().await.expect("it takes the body");
    let mut status = String::new();
    socket.read_line(&mut status).await.expect("an answer");
    let status = status.split(' ').nth(1).expect("a status line").to_owned();
    let mut bytes = 0;
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.expect("a header");
        match line.to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => bytes = value.trim().parse().expect("a number"),
            Some(_) => {}
            None => break,
        }
    }
    let mut answer = vec![0; bytes];
    socket.read_exact(&mut answer).await.expect("the answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    (
        status.parse().expect("a number"),
        answer["error"]["code"].clone(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_before_the_body_is_read_hears_why_and_may_go_on() {
    let world = world(Plan {
        body_bytes: 4_096,
        ..Plan::default()
    })
    .await;
    let address = world.url("").replace("http://", "").replace("/v1", "");
    let socket = TcpStream::connect(address).await.expect("it listens");
    let mut socket = BufStream::new(socket);
    let megabyte = vec![b' '; 1_000_000];
    let good = format!("authorization: Bearer {}\r\n", world.key());
    let (json, text) = (
        "content-type: application/json\r\n",
        "content-type: text/plain\r\n",
    );
    let chat = "POST /v1/chat/completions HTTP/1.1\r\n";
    let table = [
        (
            format!("{chat}authorization: Bearer wrong\r\n{json}"),
            401,
            json!("invalid_api_key"),
        ),
        (format!("{chat}{good}{text}"), 400, Value::Null),
        (format!("{chat}{good}{json}"), 413, Value::Null),
        (
            format!("POST /v1/nothing HTTP/1.1\r\n{good}{json}"),
            404,
            Value::Null,
        ),
        (
            format!("PUT /v1/chat/completions HTTP/1.1\r\n{good}{json}"),
            405,
            json!("method_not_supported"),
        ),
    ];
    // All on one connection.
    for (head, status, code) in table {
        let refused = exchange(&mut socket, &head, &megabyte).await;
        assert_eq!(refused, (status, code), "{head}");
    }
    world.at_rest().await;
}
