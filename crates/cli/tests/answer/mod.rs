//! Answers the binary as a server would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A server that gives every request whose line begins with `request` the same answer, and a
/// problem document to all others. It ends with the test process.
pub(crate) fn answer(request: &'static str, status: u16, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream, request, status, body));
        }
    });
    url
}

fn serve(mut stream: TcpStream, request: &str, status: u16, body: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut first = String::new();
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader
                .read_line(&mut header)
                .ok()
                .filter(|read| *read > 0)?;
            let header = header.trim().to_lowercase();
            if let Some(text) = header.strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
            if header.is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let (status, body) = match first.starts_with(request) {
            true => (status, body),
            false => (418, "{}"),
        };
        let kind = if status < 400 {
            "application/json"
        } else {
            "application/problem+json"
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n");
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).ok()?;
    }
}
