//! The client of a master in its own process: calls of a service instead of connections.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use capataz_api::client::{Body, Client, ClientConfig, ClientError};
use capataz_api::proto::TaskSpec;
use http::{Request, Response};
use http_body_util::Full;
use tower::service_fn;

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it was closed")]
struct Closed;

#[tokio::test]
async fn a_call_is_a_call_of_the_service() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Body>| {
        let line = format!("{} {}", request.method(), request.uri());
        log.lock().unwrap().push(line);
        async {
            let json = r#"{"items":[]}"#.as_bytes();
            Ok::<_, Closed>(Response::new(Full::new(bytes::Bytes::from_static(json))))
        }
    });
    let client = Client::in_process(service, &ClientConfig::default()).unwrap();
    assert_eq!(client.groups().await, Ok(Vec::new()));
    assert_eq!(*asked.lock().unwrap(), ["GET /api/v1/groups"]);
}

#[tokio::test]
async fn a_master_that_is_closed_is_not_asked_again() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let service = service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<Response<Body>, _>(Closed) }
    });
    let client = Client::in_process(service, &ClientConfig::default()).unwrap();
    let error = client.cancel("1", None).await.unwrap_err();
    let cause = "it was closed".to_owned();
    assert_eq!(error, ClientError::Closed { cause });
    assert!(error.hint().is_some());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_submission_that_meets_the_end_fails_for_good() {
    // Such a service is always ready: only its call tells.
    let service = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(Closed) });
    let client = Client::in_process(service, &ClientConfig::default()).unwrap();
    let task = TaskSpec {
        group: "g".to_owned(),
        ..TaskSpec::default()
    };
    let error = client.submit(task).await.unwrap_err();
    assert!(matches!(error, ClientError::Closed { .. }), "{error:?}");
}
