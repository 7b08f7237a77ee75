//! What many requests at once make of a listing: keys a second and CPU a key, against a server in a process of its own that
//! makes up 10 million keys and waits 60 ms before each page of 1,000.
//!
//! `cargo bench --bench at_once [-- KEYS [REQUESTS AT ONCE…]]`. One stream of pages lists a hundredth of the keys, for it
//! takes ten minutes else. CPU is the client's own, by `/proc`; client and server share the machine.

mod settings;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use restitch::listing::Listing;
use restitch::listing::s3::S3;
use restitch::rules::table::Access;
use restitch::uri::Uri;
use settings::settings;

const KEYS: usize = 10_000_000;
const AT_ONCE: [usize; 4] = [1, 32, 100, 400];
const PAGE_KEYS: usize = 1_000;
const LATENCY: Duration = Duration::from_millis(60);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |text: &String| text.parse().expect("a number");
    if let [mode, layout, keys] = arguments.as_slice()
        && mode == "serve"
    {
        serve(Layout { is_flat: layout == "flat", keys: number(keys) });
    }
    let keys = arguments.first().map_or(KEYS, number);
    let given: Vec<usize> = arguments.iter().skip(1).map(number).collect();
    println!("layout        at once       keys  seconds  million keys/s  requests  CPU ns a key  peak MiB");
    for layout in ["directories", "flat"] {
        for at_once in if given.is_empty() { AT_ONCE.to_vec() } else { given.clone() } {
            measure(layout, if at_once == 1 { keys / 100 } else { keys }, at_once);
        }
    }
}

fn measure(layout: &str, keys: usize, at_once: usize) {
    let server = Server::start(layout, keys);
    let listing = S3::over(&settings(server.address), &Access::default()).unwrap().at_once(at_once);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let listed = runtime.block_on(async {
        let pages = listing.list_in_any_order(&Uri::parse("s3://bucket/data/").unwrap(), None);
        pages.try_fold(0, |keys, page| std::future::ready(Ok(keys + page.len()))).await.unwrap()
    });
    let (took, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    assert_eq!(listed, keys);
    println!(
        "{layout:<12}  {at_once:>7}  {keys:>9}  {took:>7.2}  {:>14.3}  {:>8}  {:>12.0}  {:>8}",
        keys as f64 / took / 1e6,
        listing.requests().lists,
        cpu * 1e9 / keys as f64,
        peak_mib(),
    );
}

/// User and system time of this process, in seconds.
fn cpu_seconds() -> f64 {
    /// Ticks a second, the same on every Linux that this runs on.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// The most memory that this process has held so far.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// The server's process; ends with this.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(layout: &str, keys: usize) -> Server {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(["serve", layout, &keys.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Server { child, address: line.trim().parse().unwrap() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Keys in byte order, by their numbers.
#[derive(Clone, Copy)]
struct Layout {
    is_flat: bool,
    keys: usize,
}

const REGIONS: [&str; 3] = ["ap-south-1", "eu-north-1", "us-north-1"];
const DIRECTORIES: usize = REGIONS.len() * 12 * 28;

impl Layout {
    /// As stored: hashes, or 1,008 directories of three regions' days.
    fn key(self, number: usize) -> String {
        if self.is_flat {
            return format!("data/{:032x}.csv", number as u128 * (u128::MAX / self.keys as u128));
        }
        let directory = number * DIRECTORIES / self.keys;
        let (region, month, day) = (directory / 336, directory / 28 % 12 + 1, directory % 28 + 1);
        let region = REGIONS[region];
        format!("data/region={region}/year=2024/month={month:02}/day={day:02}/part-00000-{number:032}.csv")
    }

    /// How many keys are less than `text`, or the same.
    fn up_to(self, text: &str) -> usize {
        let (mut from, mut to) = (0, self.keys);
        while from < to {
            let middle = from.midpoint(to);
            if *self.key(middle) <= *text { from = middle + 1 } else { to = middle }
        }
        from
    }

    /// Appends the keys of these numbers as S3 writes them. Digits are put into a text that is there: a server that
    /// formats would be what is measured.
    fn write(self, numbers: Range<usize>, body: &mut Vec<u8>) {
        let encoded = self.key(0).replace('=', "%3D");
        let contents = format!(
            "<Contents><Key>{encoded}</Key><LastModified>2024-01-20T06:05:04.000Z</LastModified>\
             <ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>\
             <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
             <Size>1000003</Size><StorageClass>STANDARD</StorageClass></Contents>"
        );
        let end = contents.find(".csv").unwrap();
        let [region, month, day] = ["region%3D", "month%3D", "day%3D"].map(|name| {
            let at = contents.find(name).map_or(0, |at| at + name.len());
            at..at + if name.starts_with('r') { REGIONS[0].len() } else { 2 }
        });
        for number in numbers {
            let start = body.len();
            body.extend_from_slice(contents.as_bytes());
            let entry = &mut body[start..];
            if self.is_flat {
                digits(&mut entry[end - 32..end], number as u128 * (u128::MAX / self.keys as u128), 16);
                continue;
            }
            let directory = number * DIRECTORIES / self.keys;
            entry[region.clone()].copy_from_slice(REGIONS[directory / 336].as_bytes());
            digits(&mut entry[month.clone()], (directory / 28 % 12 + 1) as u128, 10);
            digits(&mut entry[day.clone()], (directory % 28 + 1) as u128, 10);
            digits(&mut entry[end - 10..end], number as u128, 10);
        }
    }

    /// The directories right in `directory` behind a key, 1,000 at most, and whether those are all.
    fn directories(self, directory: &str, after: &str) -> (Vec<String>, bool) {
        let (mut number, mut found) = (self.up_to(after), Vec::new());
        while number < self.keys && self.key(number).starts_with(directory) {
            let key = self.key(number);
            let Some(slash) = key[directory.len()..].find('/') else { return (found, false) };
            if found.len() == PAGE_KEYS {
                return (found, false);
            }
            found.push(key[..=directory.len() + slash].to_owned());
            number = self.up_to(&format!("{}0", &key[..directory.len() + slash]));
        }
        (found, true)
    }
}

fn digits(text: &mut [u8], mut value: u128, base: u128) {
    for place in text.iter_mut().rev() {
        *place = b"0123456789abcdef"[(value % base) as usize];
        value /= base;
    }
}

/// Answers on a free port, which it prints, for as long as the process lives.
fn serve(layout: Layout) -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().unwrap();
        std::thread::spawn(move || converse(&stream, layout));
    }
}

fn converse(mut stream: &TcpStream, layout: Layout) {
    stream.set_nodelay(true).unwrap();
    let mut requests = BufReader::new(stream);
    let (mut target, mut line, mut answer) = (String::new(), String::new(), Vec::new());
    while requests.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if line.starts_with("GET ") {
            target = line.split(' ').nth(1).unwrap().to_owned();
        }
        if line == "\r\n" {
            let asked = Instant::now();
            answer_to(&target, layout, &mut answer);
            std::thread::sleep(LATENCY.saturating_sub(asked.elapsed()));
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
        line.clear();
    }
}

fn answer_to(target: &str, layout: Layout, answer: &mut Vec<u8>) {
    let asked = |name: &str| {
        let pairs = target.split(['?', '&']).filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value)).next()
    };
    let after = asked("start-after").unwrap_or_default();
    let mut body = Vec::with_capacity(400_000);
    let more = if asked("delimiter").is_some() {
        let (directories, is_whole) = layout.directories(&asked("prefix").unwrap(), &after);
        for directory in directories {
            let encoded = directory.replace('=', "%3D");
            write!(body, "<CommonPrefixes><Prefix>{encoded}</Prefix></CommonPrefixes>").unwrap();
        }
        (!is_whole).then_some(0)
    } else {
        let from = asked("continuation-token").map_or_else(|| layout.up_to(&after), |token| token.parse().unwrap());
        let to = (from + PAGE_KEYS).min(layout.keys);
        layout.write(from..to, &mut body);
        (to < layout.keys).then_some(to)
    };
    let mut head = String::from("<ListBucketResult><Name>bucket</Name><EncodingType>url</EncodingType>");
    write!(head, "<IsTruncated>{}</IsTruncated>", more.is_some()).unwrap();
    if let Some(token) = more {
        write!(head, "<NextContinuationToken>{token}</NextContinuationToken>").unwrap();
    }
    const END: &str = "</ListBucketResult>";
    answer.clear();
    let length = head.len() + body.len() + END.len();
    write!(answer, "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\r\n{head}")
        .unwrap();
    answer.extend_from_slice(&body);
    answer.extend_from_slice(END.as_bytes());
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || (bytes.next().unwrap() as char).to_digit(16).unwrap() as u8;
        out.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
    }
    String::from_utf8(out).unwrap()
}
