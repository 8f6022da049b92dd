//! What every answer tells browsers: that nothing of it is to be run, framed, guessed at or kept. For
//! people paste tokens into the page of the documentation, and answers are payloads of others.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::rights::is_page;

/// The page runs its own scripts and asks its own server. The one style that a script of it makes is
/// named by its hash: it colours a logo. Its style sheet has pictures inside.
const OF_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; \
     style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
     img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Everything else is no page.
const OF_DATA: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The layer. It is outside of the check, so that refusals have the headers, too.
pub(crate) async fn tell_browsers(request: Request, next: Next) -> Response {
    let page = is_page(request.uri().path());
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    let policy = if page { OF_PAGE } else { OF_DATA };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    if !page {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
    answer
}
