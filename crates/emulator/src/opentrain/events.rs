//! How what happens in the marketplace is written down as an event, and how its things are named.

use super::world::{Happening, Marketplace};
use crate::clock::iso_time;
use crate::json::Object;

/// The read scope that shows an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Proposals,
    Messages,
    Payments,
}

impl Kind {
    pub(crate) const ALL: [(Self, &'static str); 3] = [
        (Self::Proposals, "proposals:read"),
        (Self::Messages, "messages:read"),
        (Self::Payments, "payments:read"),
    ];
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// 36^8 is more than 2^40.
const ID_LENGTH: usize = 8;

struct Event<'a> {
    kind: Kind,
    name: &'a str,
    resource: String,
    job: Option<usize>,
}

impl Marketplace {
    /// The identifier of the `number`th thing of a kind: without visible order, and readable back.
    pub(super) fn id(&self, prefix: &str, number: usize) -> String {
        let mut rest = self.ids.hide(number as u64);
        let mut digits = [b'0'; ID_LENGTH];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[usize::try_from(rest % 36).unwrap_or(0)];
            rest /= 36;
        }
        let mut id = prefix.to_owned();
        id.extend(digits.map(char::from));
        id
    }

    /// The way back from an identifier; `None` if it is none of this kind and account.
    pub(super) fn number(&self, prefix: &str, id: &str, length: usize) -> Option<usize> {
        let digits = id.strip_prefix(prefix).filter(|digits| digits.len() == ID_LENGTH)?;
        let mut hidden = 0;
        for digit in digits.bytes() {
            hidden = hidden * 36 + DIGITS.iter().position(|known| *known == digit)? as u64;
        }
        let number = usize::try_from(self.ids.reveal(hidden)).ok()?;
        (number < length && self.id(prefix, number) == id).then_some(number)
    }

    pub(super) fn render(&mut self, happening: &Happening, out: &mut Vec<u8>) -> Kind {
        let event = self.describe(happening);
        let labelled = self.chance.one_in(8);
        let mut object = Object::begin(out, false);
        object.text("id", &self.event_id.to_string());
        object.text("type", event.name);
        object.text("apiVersion", "v1");
        object.text("createdAt", &iso_time(self.now));
        object.text("resourceId", &event.resource);
        object.optional("jobId", event.job.map(|job| self.id("job_", job)).as_deref());
        object.object("data", |data| self.render_data(happening, data));
        if labelled {
            // No contract names it: what a client does not know must pass through.
            object.text("environment", "live");
        }
        object.end();
        event.kind
    }

    fn describe(&self, happening: &Happening) -> Event<'static> {
        let job_of_contract = |contract: usize| self.proposals[self.contracts[contract].proposal].job;
        let (kind, name, resource, job) = match *happening {
            Happening::ProposalReceived(proposal) => {
                let job = self.proposals[proposal].job;
                (Kind::Proposals, "proposal.received", self.id("prop_", proposal), Some(job))
            }
            Happening::ProposalStatus(proposal) => {
                let job = self.proposals[proposal].job;
                (Kind::Proposals, "proposal.status_changed", self.id("prop_", proposal), Some(job))
            }
            Happening::Message(message) => {
                // Every seventh conversation is not about a job, as far as the feed tells.
                let conversation = self.messages[message].conversation;
                let job = (!conversation.is_multiple_of(7)).then(|| self.proposals[conversation].job);
                (Kind::Messages, "message.received", self.id("msg_", message), job)
            }
            Happening::ContractCreated(contract) => {
                let job = job_of_contract(contract);
                (Kind::Payments, "contract.created", self.id("ct_", contract), Some(job))
            }
            Happening::MilestoneStatus(milestone) => {
                let job = job_of_contract(self.milestones[milestone].contract);
                (Kind::Payments, "milestone.status_changed", self.id("ms_", milestone), Some(job))
            }
            Happening::PaymentPending(invoice) => {
                let contract = self.milestones[self.invoices[invoice].milestone].contract;
                (Kind::Payments, "payment.pending", self.id("inv_", invoice), Some(job_of_contract(contract)))
            }
            Happening::ApprovalConfirmed(approval) => {
                (Kind::Payments, "approval.confirmed", self.id("appr_", approval), None)
            }
            Happening::Budget { contract, .. } => {
                let job = job_of_contract(contract);
                (Kind::Payments, "contract.budget_state_changed", self.id("ct_", contract), Some(job))
            }
            Happening::Unknown(contract) => {
                let job = job_of_contract(contract);
                (Kind::Payments, "contract.document_signed", self.id("ct_", contract), Some(job))
            }
        };
        Event { kind, name, resource, job }
    }

    fn render_data(&self, happening: &Happening, data: &mut Object<'_>) {
        match *happening {
            Happening::ProposalReceived(proposal) => {
                data.text("proposalId", &self.id("prop_", proposal));
                data.text("jobId", &self.id("job_", self.proposals[proposal].job));
            }
            Happening::ProposalStatus(proposal) => {
                data.text("proposalId", &self.id("prop_", proposal));
                data.text("status", self.proposals[proposal].status);
            }
            Happening::Message(message) => {
                data.text("conversationId", &self.id("conv_", self.messages[message].conversation));
                data.text("messageId", &self.id("msg_", message));
            }
            Happening::ContractCreated(number) => {
                let proposal = self.contracts[number].proposal;
                data.text("contractId", &self.id("ct_", number));
                data.text("jobId", &self.id("job_", self.proposals[proposal].job));
                data.text("proposalId", &self.id("prop_", proposal));
            }
            Happening::MilestoneStatus(number) => {
                data.text("milestoneId", &self.id("ms_", number));
                data.text("contractId", &self.id("ct_", self.milestones[number].contract));
                data.text("status", self.milestones[number].status);
            }
            Happening::PaymentPending(number) => {
                let milestone = self.invoices[number].milestone;
                data.text("invoiceId", &self.id("inv_", number));
                data.text("milestoneId", &self.id("ms_", milestone));
                data.text("contractId", &self.id("ct_", self.milestones[milestone].contract));
            }
            Happening::ApprovalConfirmed(number) => {
                data.text("approvalId", &self.id("appr_", number));
                data.text("status", self.approvals[number].status);
            }
            Happening::Budget { contract, previous } => self.render_budget(contract, previous, data),
            Happening::Unknown(contract) => {
                data.text("contractId", &self.id("ct_", contract));
                data.integer("documentVersion", 1 + (contract % 4) as u64);
            }
        }
    }

    fn render_budget(&self, number: usize, previous: &str, data: &mut Object<'_>) {
        let contract = &self.contracts[number];
        data.text("contractId", &self.id("ct_", number));
        data.text("previousState", previous);
        data.text("state", contract.state);
        data.text("paymentType", contract.payment_type);
        data.integer("fundedVolume", contract.funded);
        data.integer("consumedVolume", contract.consumed);
        data.integer("remainingVolume", contract.funded - contract.consumed);
        data.raw("consumedFraction", &consumed_fraction(contract.consumed, contract.funded));
    }
}

/// A JSON number with four decimals.
pub(super) fn consumed_fraction(consumed: u64, funded: u64) -> String {
    let parts = consumed * 10_000 / funded.max(1);
    format!("{}.{:04}", parts / 10_000, parts % 10_000)
}
