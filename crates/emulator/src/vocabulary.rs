//! The words that generated events are made of.

pub(crate) const FIRST_NAMES: [&str; 24] = [
    "Dana", "José", "Aïcha", "Liam", "Yuki", "Priya", "Olu", "Søren", "Mei", "Zoë", "Ibrahim", "Nina",
    "Łukasz", "Fatima", "Tom", "Anaïs", "Ravi", "Chloe", "Jürgen", "Sofía", "Kwame", "Ines", "Noor", "Petra",
];

pub(crate) const LAST_NAMES: [&str; 16] = [
    "Levi",
    "García",
    "Okafor",
    "Tanaka",
    "Müller",
    "O'Brien",
    "Nguyen",
    "Silva",
    "Kowalski",
    "Haddad",
    "Patel",
    "Lindqvist",
    "Moreau",
    "Cohen",
    "Mensah",
    "Novák",
];

pub(crate) const COUNTRIES: [(&str, &str); 10] = [
    ("PH", "Philippines"),
    ("KE", "Kenya"),
    ("BR", "Brazil"),
    ("IN", "India"),
    ("PL", "Poland"),
    ("NG", "Nigeria"),
    ("DE", "Germany"),
    ("MX", "Mexico"),
    ("VN", "Vietnam"),
    ("FR", "France"),
];

pub(crate) const JOB_SUBJECTS: [&str; 14] = [
    "street scenes",
    "chest X-rays",
    "customer e-mails",
    "German call-centre audio",
    "satellite tiles",
    "product photos",
    "legal contracts",
    "LiDAR point clouds",
    "chat transcripts",
    "receipts",
    "crop images",
    "medical notes",
    "maths solutions",
    "code reviews",
];

pub(crate) const JOB_TASKS: [&str; 10] = [
    "Bounding boxes for",
    "Segmentation of",
    "Transcription of",
    "Sentiment labels for",
    "Ranking answers about",
    "Quality review of",
    "Named entities in",
    "Red-teaming on",
    "Translation of",
    "\"Gold set\" for",
];

pub(crate) const MILESTONES: [&str; 8] = [
    "Pilot batch",
    "First 500 items",
    "Calibration round",
    "Batch 2",
    "Edge cases",
    "Full delivery",
    "Rework & review",
    "Final acceptance",
];

pub(crate) const REMARKS: [&str; 14] = [
    "Hi! I have done similar work for two years and could start on Monday.",
    "The guidelines say \"tight boxes\", but example 4 shows a loose one. Which is right?",
    "Uploaded the first batch, please have a look.",
    "Could we move the deadline by two days? 🙏",
    "Done: 480 of 500, the last 20 are unreadable.",
    "Thanks, that's clear now.",
    "C'est noté, je corrige ça aujourd'hui.",
    "Path is C:\\data\\batch_02 on the shared drive.",
    "Rate is fine for me.\nWhen would the contract start?",
    "請確認第三張圖片的標籤。",
    "I found <script>alert(1)</script> in one of the texts, is that intended?",
    "See you at 10:00 & bring the numbers.",
    "Budget is nearly used up, shall I stop at 90 %?",
    "👍",
];

pub(crate) const CHAT_LINES: [&str; 24] = [
    "Morning all ☀️ stand-up in five",
    "The build is green again, thanks for the quick fix!",
    "Can someone review my pull request before lunch?",
    "I'll be ten minutes late, the train stopped between stations and nobody knows why, sorry about that",
    "Numbers for Q3 are in: revenue +12 %, churn 2.1 %, support tickets down by a third. Details in the sheet, have a \
     look before Thursday so that we can talk about what it means instead of reading it out loud to each other",
    "\"It works on my machine\" is not a status",
    "path on the share: \\\\files\\team\\2026\\report.xlsx",
    "שלום לכולם, הפגישה עוברת לשעה 15:00",
    "来週の予定を確認してください。会議室は3階です。",
    "Deploy done ✅\nrollback plan:\n\t1. flip the flag\n\t2. shout",
    "lol 😂😂",
    "Does anybody have the contract for Müller & Söhne? The one with <draft> in the title",
    "https://example.com/issues/4711?tab=comments&sort=new#last",
    "*important*: the office is closed on Friday _and_ Monday",
    "Customer says the export misses rows. I compared 10,000 of them and found none missing; asking for an example.",
    "who moved my cheese 🧀",
    "Ça marche pour moi",
    "Merging now. If anything breaks, it was like that before.",
    "@channel please stop using @channel",
    "Invoice 2026-0042 is paid 💸",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦 day next week, bring cake",
    "ok",
    "Line separator\u{2028}inside, and a zero-width\u{200b}space",
    "Notes from the customer call: they want single sign-on, an export to their warehouse every night, and a person to \
     talk to. We can do the second one this month. The first one is planned, the third one is us.",
];

pub(crate) const TOPICS: [&str; 12] = [
    "General",
    "Support 🛟",
    "Platform",
    "Sales – DACH",
    "Incidents",
    "Design review",
    "Data & Analytics",
    "Random",
    "Kunde: Müller & Söhne",
    "Release \"Orion\"",
    "Hiring",
    "日本チーム",
];

pub(crate) const EMOJI: [&str; 10] = ["👍", "❤️", "😂", "🎉", "👀", "✅", "🚀", "🙏🏽", "🤔", ":party-parrot:"];

pub(crate) const FILES: [&str; 6] = [
    "report.pdf",
    "Q3 numbers (final).xlsx",
    "Übersicht.docx",
    "contract_v2.pdf",
    "logs.tar.gz",
    "スクリーン.png",
];

pub(crate) const PLACES: [(&str, &str, &str, &str); 3] = [
    ("48.137154", "11.576124", "Marienplatz", "Marienplatz 1, 80331 München"),
    ("32.085300", "34.781769", "Office TLV", "Rothschild Blvd 22, Tel Aviv"),
    ("35.681236", "139.767125", "東京駅", "1 Chome Marunouchi, Chiyoda City, Tokyo"),
];
