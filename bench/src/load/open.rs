//! Open loop: requests leave at their times, whatever happened to the ones before.
//!
//! Latency counts from when a request should have been sent, so a server that stalls is charged for
//! all the requests that had to wait. Plain threads and blocking sockets: an asynchronous timer is
//! only exact to a millisecond, which is more than is to be measured.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::exchange::{BUFFER_BYTES, Exchange, Reader};
use super::{Report, Target, Window};

/// How long a socket may be silent before the request counts as broken.
const SILENCE: Duration = Duration::from_secs(60);

/// A rate, and the connections that share it in turns.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: f64,
    connections: u32,
}

/// Sends `rate` requests per second over `connections` connections, each taking its turn.
///
/// Blocks the calling thread. A connection whose answer comes after its next turn sends late, and
/// that delay counts: there must be enough of them.
pub fn open(
    target: &Target,
    rate: f64,
    connections: u32,
    (warm_up, measured): (Duration, Duration),
) -> Report {
    let start = Instant::now();
    let window = Window::after(start, warm_up, measured);
    let pace = Pace {
        rate,
        connections: connections.max(1),
    };
    let mut report = Report::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..pace.connections)
            .map(|number| scope.spawn(move || work(target, start, window, (pace, number))))
            .collect();
        for worker in workers {
            report.merge(&worker.join().expect("a worker does not panic"));
        }
    });
    report.measured = measured;
    report
}

fn work(target: &Target, start: Instant, window: Window, (pace, number): (Pace, u32)) -> Report {
    let mut report = Report::default();
    let mut connection = Connection::default();
    for turn in 0.. {
        let place = f64::from(number) + f64::from(turn) * f64::from(pace.connections);
        let due = start + Duration::from_secs_f64(place / pace.rate);
        if due >= window.end {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        match connection.exchange(target, due) {
            Ok(exchange) => report.answer(&exchange, window.contains(due)),
            Err(problem) => report.failure(&problem),
        }
    }
    report
}

#[derive(Default)]
struct Connection {
    socket: Option<TcpStream>,
    reader: Reader,
    buffer: Vec<u8>,
}

impl Connection {
    fn exchange(&mut self, target: &Target, since: Instant) -> io::Result<Exchange> {
        // Taken out, so that a connection that failed is not used again.
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = TcpStream::connect(target.address)?;
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(SILENCE))?;
                socket
            }
        };
        self.buffer.resize(BUFFER_BYTES, 0);
        self.reader.begin(since);
        socket.write_all(&target.request)?;
        loop {
            let length = socket.read(&mut self.buffer)?;
            if let Some(exchange) = self.reader.feed(&self.buffer[..length])? {
                if !self.reader.closes() {
                    self.socket = Some(socket);
                }
                return Ok(exchange);
            }
        }
    }
}
