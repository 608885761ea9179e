//! What each preset asks for which event: the look-ups of two APIs as a table.
//!
//! Sources: section 9 of the OpenTrain contract, section 11 of the Zenzap contract. Invariant: nothing that lets its
//! holder act (the link of an approval) and nothing about people beyond their name (e-mail, phone) is taken.

use std::time::Duration;

use crate::http_lookup::extract::Shown;

/// An API that presets know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    OpenTrain,
    Zenzap,
}

impl Api {
    pub(super) const ALL: [Self; 2] = [Self::OpenTrain, Self::Zenzap];

    /// Stands for all of its presets, and begins the types of its sources.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::OpenTrain => "opentrain",
            Self::Zenzap => "zenzap",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::OpenTrain => "OpenTrain",
            Self::Zenzap => "Zenzap",
        }
    }

    /// Where it lives unless a source or an option says otherwise.
    pub(super) fn base_url(self) -> &'static str {
        match self {
            Self::OpenTrain => "https://app.opentrain.ai/api/public/v1",
            Self::Zenzap => "https://api.zenzap.co",
        }
    }

    /// Requests per minute that stay below its limit.
    pub(super) fn rate(self) -> u32 {
        match self {
            Self::OpenTrain => 60,
            Self::Zenzap => 900,
        }
    }
}

/// One preset.
pub(super) struct Preset {
    /// What it is called in `enrich:`, and the field that gets its answer.
    pub(super) name: &'static str,
    pub(super) api: Api,
    /// The types of the events that it is for.
    pub(super) types: &'static [&'static str],
    /// The path of the call, below the address of the API; with an id of the event in it or not.
    pub(super) path: &'static str,
    pub(super) way: Way,
    /// An event without the id has nothing to be looked up, which is no failure.
    pub(super) is_optional: bool,
    /// It is told to everybody, without credentials.
    pub(super) is_public: bool,
}

/// How an answer leads to what is looked for.
pub(super) enum Way {
    /// It is the thing, at this path.
    Thing {
        select: Option<&'static str>,
        shown: Shown,
        /// Types whose events tell of a change of the thing: an answer from before them will not do.
        subject_of: &'static [&'static str],
    },
    /// It is a thing with a list in it, which has the item of this id.
    Inside { select: &'static str, list: &'static str, id: &'static str },
    /// It is a list, which has the item of this id.
    Listed { list: List, id: &'static str, shown: Shown },
    /// It is the list of all members, which has a name for each id in these fields of the event.
    Names { list: List, fields: &'static [(&'static str, &'static str)] },
}

/// A list that comes in pages.
pub(super) struct List {
    pub(super) items: &'static str,
    /// If there is no list at `items`, the first whose items have this field is taken.
    pub(super) mark: Option<&'static str>,
    /// Path to the cursor of the next page; the parameter that takes it is `cursor` in both APIs.
    pub(super) next: Option<&'static str>,
    pub(super) most_pages: usize,
    pub(super) pace: Duration,
    /// What some ids begin with and others do not.
    pub(super) prefix: Option<&'static str>,
}

const CONTRACT: &str = "/contracts/{{ event.data.contractId }}";

const OF_PROPOSALS: &[&str] = &["proposal.received", "proposal.status_changed"];

const OF_CONTRACTS: &[&str] =
    &["contract.created", "contract.budget_state_changed", "milestone.status_changed", "payment.pending"];

const OF_APPROVALS: &[&str] = &["approval.confirmed"];

/// Every preset.
pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "proposal",
        api: Api::OpenTrain,
        types: OF_PROPOSALS,
        path: "/proposals/{{ event.data.proposalId }}",
        way: Way::Thing { select: Some("proposal"), shown: Shown::All, subject_of: OF_PROPOSALS },
        is_optional: false,
        is_public: false,
    },
    Preset {
        name: "message",
        api: Api::OpenTrain,
        types: &["message.received"],
        path: "/messages?conversationId={{ event.data.conversationId }}&limit=100",
        way: Way::Listed {
            // The name of the list is not documented: it may be another one.
            list: List {
                items: "messages",
                mark: Some("conversationId"),
                next: Some("nextCursor"),
                most_pages: 5,
                pace: Duration::ZERO,
                prefix: None,
            },
            id: "event.data.messageId",
            shown: Shown::All,
        },
        is_optional: false,
        is_public: false,
    },
    Preset {
        name: "contract",
        api: Api::OpenTrain,
        types: OF_CONTRACTS,
        path: CONTRACT,
        way: Way::Thing { select: Some("contract"), shown: Shown::All, subject_of: OF_CONTRACTS },
        is_optional: false,
        is_public: false,
    },
    Preset {
        name: "milestone",
        api: Api::OpenTrain,
        types: &["milestone.status_changed", "payment.pending"],
        path: CONTRACT,
        way: Way::Inside { select: "contract", list: "milestones", id: "event.data.milestoneId" },
        is_optional: false,
        is_public: false,
    },
    Preset {
        name: "payment",
        api: Api::OpenTrain,
        types: &["payment.pending"],
        path: "/payments/pending",
        way: Way::Listed {
            list: List {
                items: "payments",
                mark: None,
                next: None,
                most_pages: 1,
                pace: Duration::ZERO,
                prefix: None,
            },
            id: "event.data.invoiceId",
            shown: Shown::All,
        },
        is_optional: false,
        is_public: false,
    },
    Preset {
        name: "approval",
        api: Api::OpenTrain,
        types: OF_APPROVALS,
        path: "/approvals/{{ event.data.approvalId }}",
        way: Way::Thing {
            select: Some("approval"),
            shown: Shown::But(&["approvalUrl"]),
            subject_of: OF_APPROVALS,
        },
        is_optional: false,
        is_public: false,
    },
    Preset {
        name: "job",
        api: Api::OpenTrain,
        types: &[
            "proposal.received",
            "proposal.status_changed",
            "message.received",
            "contract.created",
            "contract.budget_state_changed",
            "milestone.status_changed",
            "payment.pending",
            "approval.confirmed",
            // Of the public feed of jobs.
            "PUBLISHED",
            "UPDATED",
            "CLOSED",
        ],
        path: "/jobs/{{ event.jobId }}",
        way: Way::Thing { select: None, shown: Shown::All, subject_of: &["PUBLISHED", "UPDATED", "CLOSED"] },
        is_optional: true,
        is_public: true,
    },
    Preset {
        name: "topic",
        api: Api::Zenzap,
        types: &[
            "message.created",
            "message.updated",
            "message.deleted",
            "reaction.added",
            "reaction.removed",
            "member.added",
            "member.removed",
            "topic.updated",
            "poll_vote.created",
            "poll_vote.deleted",
        ],
        path: "/v2/topics/{{ event.data.message.topicId ?? event.data.topicId }}",
        way: Way::Thing {
            select: None,
            shown: Shown::Only(&["id", "name", "description"]),
            subject_of: &["topic.updated"],
        },
        is_optional: false,
        is_public: false,
    },
    Preset {
        name: "names",
        api: Api::Zenzap,
        types: &[
            "message.deleted",
            "reaction.added",
            "reaction.removed",
            "member.added",
            "member.removed",
            "topic.updated",
            "poll_vote.created",
            "poll_vote.deleted",
        ],
        path: "/v2/members?limit=100",
        way: Way::Names {
            list: List {
                items: "members",
                mark: None,
                next: Some("nextCursor"),
                most_pages: 100,
                pace: Duration::from_secs(1),
                prefix: Some("u@"),
            },
            fields: &[
                ("userId", "userId"),
                ("memberId", "memberId"),
                ("memberIds", "memberIds"),
                ("actorId", "actorId"),
                ("voterId", "voterId"),
                ("deletedBy", "deletedBy"),
                ("senderId", "message.senderId"),
            ],
        },
        is_optional: true,
        is_public: false,
    },
];
