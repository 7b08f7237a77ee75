//! The keys of a made-up lake, `acme-datalake`, the same ones on every machine: table folders, Hive folders, logs by date and
//! hour, vendors' drops, and what lies beside them (temporary files, checksums, album photos).
//!
//! They come out in byte order, as a bucket lists them; 93.5 bytes on average.

/// `count` keys in byte order, each followed by `\n`.
pub fn sorted(count: u64) -> String {
    let mut keys = in_order_made(count);
    keys.sort_unstable();
    keys.concat()
}

/// The same keys in the order in which they are made: neighbours have nothing in common.
pub fn shuffled(count: u64) -> String {
    in_order_made(count).concat()
}

fn in_order_made(count: u64) -> Vec<String> {
    let days = (3 * count / 1_000_000).clamp(2, 300);
    let mut random = Random(20_240_307);
    (0..count).map(|number| Made::new(&mut random, number, days).key() + "\n").collect()
}

/// SplitMix64: the same numbers everywhere, with nothing to depend on.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((self.next() >> 32) * limit) >> 32
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u64) as usize]
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let (low, middle, variant, end) = ((a >> 16) & 0xffff, a & 0xfff, 0x8000 | (b >> 50), b & 0xffff_ffff_ffff);
        format!("{:08x}-{low:04x}-4{middle:03x}-{variant:04x}-{end:012x}", a >> 32)
    }
}

const REGIONS: [&str; 40] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "eu-central-1",
    "eu-south-1",
    "ap-south-1",
    "ap-east-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ca-central-1",
    "sa-east-1",
    "me-south-1",
    "af-south-1",
    "alabama",
    "alaska",
    "arizona",
    "arkansas",
    "california",
    "colorado",
    "delaware",
    "florida",
    "georgia",
    "hawaii",
    "idaho",
    "illinois",
    "indiana",
    "iowa",
    "kansas",
    "kentucky",
    "maine",
    "ohio",
    "oregon",
    "texas",
];
const APPS: [&str; 26] = [
    "auth",
    "billing-worker",
    "cart",
    "catalog-api",
    "checkout-api",
    "cms",
    "edge-proxy",
    "email-sender",
    "feature-flags",
    "fraud-scorer",
    "gateway",
    "geo-lookup",
    "image-resizer",
    "inventory-sync",
    "ledger",
    "loyalty",
    "notifier",
    "order-router",
    "payments",
    "pricing",
    "recommender",
    "search-api",
    "session-store",
    "shipping-quotes",
    "tax-engine",
    "web-frontend",
];
const ADTECH: [&str; 5] = ["clicks", "impressions", "sessions", "page_views", "bids"];
const SHOP: [&str; 5] = ["orders", "order_items", "payments", "refunds", "shipments"];
const COUNTRIES: [&str; 20] = [
    "AT", "AU", "BE", "BR", "CA", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IN", "IT", "JP", "NL", "PL", "SE",
    "US",
];
const SOURCES: [&str; 10] =
    ["mobile", "web", "iot-gateway", "kiosk", "partner-api", "billing", "crm", "support", "email", "push"];
const SERVICES: [&str; 6] = ["CloudTrail", "elasticloadbalancing", "vpcflowlogs", "Config", "WAFLogs", "GuardDuty"];
const ACCOUNTS: [&str; 5] = ["100200300400", "210987654321", "123456789012", "555566667777", "998877665544"];
const ERP: [&str; 10] = [
    "orders",
    "invoices",
    "stock-levels",
    "price-list",
    "customers",
    "returns",
    "suppliers",
    "stores",
    "promos",
    "employees",
];
const HASHED: [&str; 6] = ["metric", "metric", "metric", "trace", "trace", "audit"];

/// The moment and the number that a key is made of.
struct Made<'r> {
    random: &'r mut Random,
    number: u64,
    year: u32,
    month: u32,
    day: u32,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Made<'_> {
    fn new(random: &mut Random, number: u64, days: u64) -> Made<'_> {
        let (year, month, day) = date(random, days);
        let hour = random.below(24);
        let (minute, second) = (random.below(60), random.below(60));
        Made { random, number, year, month, day, hour, minute, second }
    }

    fn key(mut self) -> String {
        match self.random.below(100) {
            0..=3 => self.taxes(),
            4..=6 => self.unicorns(),
            7..=52 => self.log(),
            53..=59 => self.adtech(),
            60..=66 => self.shop(),
            67..=76 => self.events(),
            77..=84 => self.aws_logs(),
            85..=90 => self.hashed(),
            91..=93 => self.vendors(),
            _ => self.beside(),
        }
    }

    fn taxes(&mut self) -> String {
        let (region, quarter) = (self.random.one_of(&REGIONS), 1 + self.random.below(4));
        let (tag, number) = (self.random.next() as u32, self.number);
        format!("data/{region}/taxes-{}-q{quarter}-{tag:08x}-{number:08x}.csv", self.year)
    }

    fn unicorns(&mut self) -> String {
        let Made { year, month, day, .. } = *self;
        let region = self.random.one_of(&REGIONS);
        format!("data/{region}/unicorn-inventory-{year}{month:02}{day:02}-{}.csv", self.random.uuid())
    }

    fn log(&mut self) -> String {
        let app = self.random.one_of(&APPS);
        let ending = if app.len().is_multiple_of(2) { "c000.json.gz" } else { "c000.snappy.parquet" };
        let part = self.random.below(200);
        format!("logs/{app}/{}/{:02}/part-{part:05}-{}.{ending}", self.dashed(), self.hour, self.random.uuid())
    }

    fn adtech(&mut self) -> String {
        let (table, part) = (self.random.one_of(&ADTECH), self.random.below(64));
        format!("{}part-{part:05}-{}.c000.snappy.parquet", self.adtech_folder(table), self.random.uuid())
    }

    fn adtech_folder(&self, table: &str) -> String {
        format!("warehouse/adtech/{table}/dt={}/hour={:02}/", self.dashed(), self.hour)
    }

    fn shop(&mut self) -> String {
        let (table, country, part) = (self.random.one_of(&SHOP), self.random.one_of(&COUNTRIES), self.random.below(64));
        let (dashed, uuid) = (self.dashed(), self.random.uuid());
        format!("warehouse/shop/{table}/country={country}/dt={dashed}/part-{part:05}-{uuid}.c000.snappy.parquet")
    }

    fn events(&mut self) -> String {
        let Made { year, month, day, hour, minute, second, .. } = *self;
        let source = self.random.one_of(&SOURCES);
        let stamp = format!("{}-{hour:02}-{minute:02}-{second:02}", self.dashed());
        let folder = format!("events/{source}/{year}/{month:02}/{day:02}/{hour:02}");
        format!("{folder}/{source}-events-1-{stamp}-{}.gz", self.random.uuid())
    }

    fn aws_logs(&mut self) -> String {
        let Made { year, month, day, hour, .. } = *self;
        let (account, service) = (self.random.one_of(&ACCOUNTS), self.random.one_of(&SERVICES));
        let region = self.random.one_of(&REGIONS[..4]);
        let ending = if service.starts_with(['v', 'e']) { "log.gz" } else { "json.gz" };
        let (minute, tag) = (self.minute / 5 * 5, self.random.next());
        let name =
            format!("{account}_{service}_{region}_{year}{month:02}{day:02}T{hour:02}{minute:02}Z_{tag:016x}.{ending}");
        format!("AWSLogs/{account}/{service}/{region}/{year}/{month:02}/{day:02}/{name}")
    }

    fn hashed(&mut self) -> String {
        let (hash, tenant) = (self.random.below(65_536), self.random.below(40));
        let kind = self.random.one_of(&HASHED);
        format!("{hash:04x}/ingest/tenant-{tenant:03}/{kind}_{}_{:08x}.parquet", self.stamp(), self.number as u32)
    }

    fn vendors(&mut self) -> String {
        let Made { number, year, month, day, .. } = *self;
        if self.random.below(2) == 0 {
            let (vendor, tag) = (self.random.below(20), self.random.next() as u32);
            return format!("landing/vendor-{vendor:02}/feed_{year}{month:02}{day:02}_{tag:08x}{number:08x}.csv");
        }
        let (region, table) = (self.random.one_of(&REGIONS), self.random.one_of(&ERP));
        format!("dumps/erp/{region}/{table}_{}_{:08x}.parquet", self.stamp(), number as u32)
    }

    /// What lies in every lake and is of no table.
    fn beside(&mut self) -> String {
        let number = self.number;
        let log_folder =
            |made: &mut Self| format!("logs/{}/{}/{:02}", made.random.one_of(&APPS), made.dashed(), made.hour);
        match self.random.below(10) {
            0 => {
                let Made { year, month, day, hour, minute, second, .. } = *self;
                let folder = log_folder(self);
                let attempt =
                    format!("attempt_{year}{month:02}{day:02}{hour:02}{minute:02}{second:02}_{number:08x}_m_000001_1");
                format!("{folder}/_temporary/0/_temporary/{attempt}/part-00001-{}.c000.json.gz", self.random.uuid())
            }
            1 => {
                let (table, part) = (self.random.one_of(&ADTECH), self.random.below(64));
                format!("{}.part-{part:05}-{}.c000.snappy.parquet.crc", self.adtech_folder(table), self.random.uuid())
            }
            2 => {
                let (folder, part) = (log_folder(self), self.random.below(200));
                format!("{folder}/part-{part:05}-{}.c000.json.gz.tmp", self.random.uuid())
            }
            3 => format!("tmp/{}/spill-{number}.bin", self.random.uuid()),
            4 => format!("backup/Photo Album {}/IMG_{number:08} (copy).JPG", 2010 + self.random.below(14)),
            5 => format!("docs/été/résumé-{number:08x}.pdf"),
            6 => {
                let (app, part) = (self.random.one_of(&APPS), self.random.below(200));
                format!("logs/{app}/latest/part-{part:05}-{}.c000.json.gz", self.random.uuid())
            }
            7 => format!("data/{}/readme-{number:08x}.txt", self.random.one_of(&REGIONS)),
            8 => format!("warehouse/stage/{}/dt={}/{number:08x}.orc", self.random.one_of(&SHOP), self.dashed()),
            _ => {
                let table = self.random.one_of(&ADTECH);
                format!("{}_SUCCESS-{number:08x}", self.adtech_folder(table))
            }
        }
    }

    fn dashed(&self) -> String {
        format!("{}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn stamp(&self) -> String {
        let Made { year, month, day, hour, minute, second, .. } = self;
        format!("{year}{month:02}{day:02}T{hour:02}{minute:02}{second:02}")
    }
}

/// One of so many days from 2024-03-01 on.
fn date(random: &mut Random, days: u64) -> (u32, u32, u32) {
    let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (mut day, mut month) = (random.below(days) as u32, 2);
    while day >= lengths[month] {
        day -= lengths[month];
        month = (month + 1) % 12;
    }
    (2024, month as u32 + 1, day + 1)
}
