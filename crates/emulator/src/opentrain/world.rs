//! The marketplace behind the feed: jobs get proposals, proposals become contracts, contracts get milestones.
//!
//! Invariant: an event never names something that no earlier event could have led to, except that conversations and
//! jobs come into being silently, as they do in the contract.

use serde_json::Value;

use crate::chance::{Chance, Scramble};
use crate::feed::{Mark, World};

/// Monday 3 March 2025, 08:00 UTC: every generated history begins here.
const BEGINNING: i64 = 1_740_988_800_000;

/// How far back a new event looks for something to happen to.
const RECENT: usize = 40;

/// The owner of a job words it anew after so many proposals.
const UPDATED_AFTER: u64 = 5;

pub(super) struct Job {
    pub(super) created: i64,
    pub(super) published: i64,
    pub(super) updated: Option<i64>,
    pub(super) proposals: u64,
    pub(super) closed: Option<i64>,
}

pub(super) struct Proposal {
    pub(super) job: usize,
    pub(super) status: &'static str,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) contract: Option<usize>,
    /// The messages of the conversation with the candidate; it has the number of the proposal.
    pub(super) messages: Vec<u32>,
}

pub(super) struct Message {
    pub(super) conversation: usize,
    pub(super) created: i64,
}

pub(super) struct Contract {
    pub(super) proposal: usize,
    pub(super) payment_type: &'static str,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) funded: u64,
    pub(super) consumed: u64,
    pub(super) state: &'static str,
    pub(super) milestones: Vec<usize>,
}

pub(super) struct Milestone {
    pub(super) contract: usize,
    pub(super) number: usize,
    pub(super) status: &'static str,
    pub(super) created: i64,
    pub(super) invoice: Option<usize>,
}

pub(super) struct Invoice {
    pub(super) milestone: usize,
    pub(super) created: i64,
}

pub(super) struct Approval {
    pub(super) milestone: usize,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) resolved: i64,
}

/// The marketplace as one account sees it.
pub(crate) struct Marketplace {
    pub(super) chance: Chance,
    pub(super) ids: Scramble,
    pub(super) now: i64,
    pub(super) event_id: u64,
    pub(super) jobs: Vec<Job>,
    pub(super) proposals: Vec<Proposal>,
    pub(super) messages: Vec<Message>,
    pub(super) contracts: Vec<Contract>,
    pub(super) milestones: Vec<Milestone>,
    pub(super) invoices: Vec<Invoice>,
    /// Invoices that wait for action, oldest first.
    pub(super) pending: Vec<usize>,
    pub(super) approvals: Vec<Approval>,
    /// Proposals that were hired and have no contract yet.
    hired: Vec<usize>,
}

/// What happened, with the numbers of the things it happened to.
pub(super) enum Happening {
    ProposalReceived(usize),
    ProposalStatus(usize),
    Message(usize),
    ContractCreated(usize),
    MilestoneStatus(usize),
    PaymentPending(usize),
    ApprovalConfirmed(usize),
    Budget { contract: usize, previous: &'static str },
    Unknown(usize),
}

impl Marketplace {
    pub(crate) fn new(seed: u64, account: u32) -> Self {
        let mut chance = Chance::new(seed, u64::from(account) << 8 | 1);
        let ids = Scramble::new(chance.next(), 40);
        Self {
            chance,
            ids,
            now: BEGINNING,
            event_id: 1000,
            jobs: Vec::new(),
            proposals: Vec::new(),
            messages: Vec::new(),
            contracts: Vec::new(),
            milestones: Vec::new(),
            invoices: Vec::new(),
            pending: Vec::new(),
            approvals: Vec::new(),
            hired: Vec::new(),
        }
    }

    fn recent(&mut self, length: usize) -> Option<usize> {
        (length > 0).then(|| length - 1 - self.chance.index(length.min(RECENT)))
    }

    fn happen(&mut self) -> Happening {
        let happened = match self.chance.below(1000) {
            0..=119 => None,
            120..=379 => self.move_proposal(),
            380..=639 => self.receive_message(),
            640..=709 => self.create_contract(),
            710..=839 => self.move_milestone(),
            840..=909 => self.open_invoice(),
            910..=949 => self.resolve_approval(),
            950..=995 => self.consume_budget(),
            _ => self.recent(self.contracts.len()).map(Happening::Unknown),
        };
        happened.unwrap_or_else(|| self.receive_proposal())
    }

    fn receive_proposal(&mut self) -> Happening {
        let job = match self.recent(self.jobs.len().min(12)) {
            Some(back) if !self.chance.one_in(9) => {
                let job = self.jobs.len() - 1 - back;
                if self.jobs[job].closed.is_none() && self.jobs[job].proposals > 12 {
                    self.jobs[job].closed = Some(self.now);
                }
                if self.jobs[job].closed.is_some() { self.post_job() } else { job }
            }
            _ => self.post_job(),
        };
        self.jobs[job].proposals += 1;
        if self.jobs[job].proposals == UPDATED_AFTER {
            self.jobs[job].updated = Some(self.now);
        }
        self.proposals.push(Proposal {
            job,
            status: "UNREVIEWED",
            created: self.now,
            updated: self.now,
            contract: None,
            messages: Vec::new(),
        });
        Happening::ProposalReceived(self.proposals.len() - 1)
    }

    fn post_job(&mut self) -> usize {
        let (created, published) = (self.now - 3_600_000, self.now);
        self.jobs.push(Job { created, published, updated: None, proposals: 0, closed: None });
        self.jobs.len() - 1
    }

    fn move_proposal(&mut self) -> Option<Happening> {
        // Most of the recent ones are decided already: look a few times for one that is not.
        let picks: [Option<usize>; 8] = std::array::from_fn(|_| self.recent(self.proposals.len()));
        let open =
            |number: &usize| !["HIRED", "DECLINED", "NOT_A_FIT"].contains(&self.proposals[*number].status);
        let number = picks.into_iter().flatten().find(open)?;
        let next = match self.proposals[number].status {
            "UNREVIEWED" => ["SHORTLISTED", "MAYBE", "SHORTLISTED", "DECLINED"][self.chance.index(4)],
            "MAYBE" => ["SHORTLISTED", "NOT_A_FIT"][self.chance.index(2)],
            "SHORTLISTED" => ["HIRED", "RESUME_SENT", "HIRED", "DECLINED"][self.chance.index(4)],
            _ => "HIRED",
        };
        if next == "HIRED" {
            self.hired.push(number);
        }
        self.proposals[number].status = next;
        self.proposals[number].updated = self.now;
        Some(Happening::ProposalStatus(number))
    }

    fn receive_message(&mut self) -> Option<Happening> {
        let conversation = self.recent(self.proposals.len())?;
        let number = self.messages.len();
        self.messages.push(Message { conversation, created: self.now });
        self.proposals[conversation].messages.push(u32::try_from(number).ok()?);
        Some(Happening::Message(number))
    }

    fn create_contract(&mut self) -> Option<Happening> {
        let proposal = self.hired.pop()?;
        let payment_type = ["FIXED_PRICE", "PAY_PER_HOUR", "PAY_PER_LABEL"][self.chance.index(3)];
        let number = self.contracts.len();
        self.contracts.push(Contract {
            proposal,
            payment_type,
            created: self.now,
            updated: self.now,
            funded: self.chance.between(2, 40) * 10,
            consumed: 0,
            state: "OK",
            milestones: Vec::new(),
        });
        self.proposals[proposal].contract = Some(number);
        Some(Happening::ContractCreated(number))
    }

    fn move_milestone(&mut self) -> Option<Happening> {
        let contract = self.recent(self.contracts.len())?;
        self.contracts[contract].updated = self.now;
        let last = self.contracts[contract].milestones.last().copied();
        let open = last.filter(|last| !["paid", "cancelled"].contains(&self.milestones[*last].status));
        let Some(number) = open else {
            let number = self.milestones.len();
            self.milestones.push(Milestone {
                contract,
                number: self.contracts[contract].milestones.len() + 1,
                status: "created",
                created: self.now,
                invoice: None,
            });
            self.contracts[contract].milestones.push(number);
            return Some(Happening::MilestoneStatus(number));
        };
        let milestone = &self.milestones[number];
        let next = match (milestone.status, milestone.invoice) {
            ("created", _) if self.chance.one_in(12) => "cancelled",
            ("created", _) => "funded",
            (_, None) => return Some(self.invoice(number)),
            (_, Some(invoice)) => {
                self.pending.retain(|pending| *pending != invoice);
                "paid"
            }
        };
        self.milestones[number].status = next;
        Some(Happening::MilestoneStatus(number))
    }

    fn open_invoice(&mut self) -> Option<Happening> {
        let number = self.recent(self.milestones.len())?;
        let milestone = &self.milestones[number];
        (milestone.status == "funded" && milestone.invoice.is_none()).then(|| self.invoice(number))
    }

    fn invoice(&mut self, milestone: usize) -> Happening {
        let number = self.invoices.len();
        self.invoices.push(Invoice { milestone, created: self.now });
        self.milestones[milestone].invoice = Some(number);
        self.pending.push(number);
        if self.pending.len() > 200 {
            // Somebody settles the oldest outside of this account's feed; the list stays as short as a real one.
            self.pending.remove(0);
        }
        Happening::PaymentPending(number)
    }

    fn resolve_approval(&mut self) -> Option<Happening> {
        let milestone = self.recent(self.milestones.len())?;
        let kind =
            ["milestone_fund", "milestone_approve", "proposal_hire", "contract_end"][self.chance.index(4)];
        let status = ["confirmed", "confirmed", "declined", "expired"][self.chance.index(4)];
        self.approvals.push(Approval { milestone, kind, status, resolved: self.now });
        Some(Happening::ApprovalConfirmed(self.approvals.len() - 1))
    }

    fn consume_budget(&mut self) -> Option<Happening> {
        let number = self.recent(self.contracts.len())?;
        let contract = &mut self.contracts[number];
        if contract.payment_type == "FIXED_PRICE" {
            return None;
        }
        let previous = contract.state;
        contract.updated = self.now;
        let funded = contract.funded;
        (contract.state, contract.consumed) = match previous {
            "OK" => ("LOW", funded * self.chance.between(80, 97) / 100 + 1),
            "LOW" => ("DEPLETED", funded),
            _ => {
                contract.funded *= 2;
                ("OK", contract.consumed)
            }
        };
        Some(Happening::Budget { contract: number, previous })
    }
}

impl World for Marketplace {
    fn next(&mut self, out: &mut Vec<u8>) -> Mark {
        self.now += i64::try_from(self.chance.between(400, 32_000)).unwrap_or(1000);
        self.event_id += if self.chance.one_in(40) { self.chance.between(2, 9) } else { 1 };
        let happening = self.happen();
        let kind = self.render(&happening, out);
        Mark { id: self.event_id, kind: kind as u8 }
    }

    fn look_up(&self, path: &[&str], query: &[(String, String)]) -> Option<Value> {
        super::lookups::look_up(self, path, query)
    }
}
