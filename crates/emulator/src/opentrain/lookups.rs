//! Reading single things of the marketplace, as they are now: section 9 of the contract, and the public job feed.

use serde_json::{Value, json};

use super::changes;
use super::events::consumed_fraction;
use super::world::Marketplace;
use super::{bad_parameter, refuse};
use crate::account::Account;
use crate::answer::Answer;
use crate::call::{Call, bounded};
use crate::chance::Chance;
use crate::clock::iso_time;
use crate::server::Server;
use crate::vocabulary::{COUNTRIES, FIRST_NAMES, JOB_SUBJECTS, JOB_TASKS, LAST_NAMES, MILESTONES, REMARKS};

/// Refuses a `limit` that the list does not know.
pub(super) fn check_range(server: &Server, call: &Call, list: &str) -> Result<(), Answer> {
    match call.parameter("limit") {
        Some(text) if ["messages", "jobs"].contains(&list) && bounded(&text, 1, 100).is_none() => {
            Err(bad_parameter(server, "limit", "limit must be between 1 and 100"))
        }
        _ => Ok(()),
    }
}

/// The parameters with a `limit` that no page of messages goes beyond.
pub(super) fn shortened(
    server: &Server,
    path: &[&str],
    mut parameters: Vec<(String, String)>,
) -> Vec<(String, String)> {
    if *path == ["messages"] {
        let asked = parameters.iter().find(|(name, _)| name == "limit").map(|(_, value)| value.as_str());
        let most = count(asked, 20).min(server.options.message_page);
        parameters.retain(|(name, _)| name != "limit");
        parameters.push(("limit".to_owned(), most.to_string()));
    }
    parameters
}

/// Whether it is a proposal for a job of another account, which is answered 403 and not 404.
pub(super) fn is_foreign(server: &Server, account: &Account, path: &[&str]) -> bool {
    let others = server.accounts.iter().filter(|other| other.number != account.number);
    path.len() == 2
        && path[0] == "proposals"
        && others.into_iter().any(|other| other.feed_at(server.clock.elapsed()).look_up(path, &[]).is_some())
}

/// `GET /jobs/{id}`, without a token: every account's jobs are public.
pub(super) fn public_job(server: &Server, id: &str) -> Answer {
    let found = server.accounts.iter().find_map(|account| {
        let feed = account.feed_at(server.clock.elapsed());
        feed.look_up(&["jobs", id], &[])
    });
    match found {
        Some(job) if job["status"] == "closed" => Answer::json(404, &job),
        Some(job) => Answer::json(200, &job),
        None => refuse(server, 404, "no such job", None),
    }
}

pub(super) fn look_up(market: &Marketplace, path: &[&str], query: &[(String, String)]) -> Option<Value> {
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match *path {
        ["jobs", "mine"] => Some(market.own_jobs(parameter("cursor"), parameter("limit"))),
        ["jobs", "changes"] => Some(changes::latest(market)),
        ["jobs", id] => market.number("job_", id, market.jobs.len()).map(|job| market.public_job(job)),
        ["proposals", id] => {
            let number = market.number("prop_", id, market.proposals.len())?;
            Some(json!({ "proposal": market.proposal(number) }))
        }
        ["messages"] => match parameter("conversationId") {
            Some(id) => {
                let number = market.number("conv_", id, market.proposals.len())?;
                Some(market.conversation(number, parameter("cursor"), parameter("limit")))
            }
            None => Some(market.conversations(parameter("limit"))),
        },
        ["contracts"] => {
            let newest = (0..market.contracts.len()).rev().take(100).map(|number| market.contract(number));
            Some(json!({ "contracts": newest.collect::<Vec<_>>() }))
        }
        ["contracts", id] => {
            let number = market.number("ct_", id, market.contracts.len())?;
            Some(json!({ "contract": market.contract(number) }))
        }
        ["payments", "pending"] => {
            let newest = market.pending.iter().rev().map(|invoice| market.payment(*invoice));
            Some(json!({ "payments": newest.collect::<Vec<_>>() }))
        }
        ["approvals", id] => {
            let number = market.number("appr_", id, market.approvals.len())?;
            Some(json!({ "approval": market.approval(number) }))
        }
        _ => None,
    }
}

fn count(limit: Option<&str>, default: usize) -> usize {
    limit.and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Marketplace {
    /// Chance that always falls the same way for the same thing: its unchanging attributes.
    fn nature(&self, kind: u64, number: usize) -> Chance {
        Chance::new(self.ids.hide(number as u64), kind)
    }

    fn job_title(&self, number: usize) -> String {
        let mut nature = self.nature(1, number);
        format!("{} {}", nature.pick(&JOB_TASKS), nature.pick(&JOB_SUBJECTS))
    }

    fn person(&self, proposal: usize) -> (String, (&'static str, &'static str)) {
        let mut nature = self.nature(2, proposal);
        let (first, last) = (nature.pick(&FIRST_NAMES), nature.pick(&LAST_NAMES));
        let initial: String = last.chars().take(1).collect();
        (format!("{first} {initial}."), COUNTRIES[nature.index(COUNTRIES.len())])
    }

    fn rate(&self, proposal: usize) -> u64 {
        // Mostly ten to sixty dollars; now and then a specialist.
        let mut nature = self.nature(3, proposal);
        if nature.one_in(12) { nature.between(900, 4000) } else { nature.between(10, 60) }
    }

    fn public_job(&self, number: usize) -> Value {
        let job = &self.jobs[number];
        let id = self.id("job_", number);
        if job.closed.is_some() {
            return json!({ "id": id, "status": "closed" });
        }
        let title = self.job_title(number);
        json!({
            "id": id, "slug": format!("job-{number}"), "title": title, "companyName": "Example Data GmbH",
            "descriptionText": format!("{title}: about 5,000 items, guidelines provided."),
            "descriptionHtml": format!("<p>{} &amp; guidelines</p>", title.replace('"', "&quot;")),
            "seoTitle": title, "summary": "Remote, paid by result", "status": "open",
            "datePosted": iso_time(job.created), "validThrough": iso_time(job.created + 30 * 86_400_000),
            "updatedAt": iso_time(job.created), "employmentTypes": ["CONTRACTOR"], "countries": ["DE", "KE"],
            "languages": ["en"], "category": "annotation", "dataType": "image", "labelTypes": ["bounding_box"],
            "labelingSoftware": null, "experienceLevel": "INTERMEDIATE", "skills": ["attention to detail"],
            "pay": { "paymentType": "PAY_PER_HOUR", "currency": "USD", "hourlyRate": null, "hourlyMin": 12,
                     "hourlyMax": 30, "fixedPrice": null, "perLabelRate": null },
            "url": format!("https://jobs.example/{id}"), "applyUrl": format!("https://jobs.example/{id}/apply"),
        })
    }

    fn own_jobs(&self, cursor: Option<&str>, limit: Option<&str>) -> Value {
        let start = cursor.and_then(|id| self.number("job_", id, self.jobs.len())).map_or(0, |last| last + 1);
        let end = self.jobs.len().min(start + count(limit, 25));
        let jobs = (start..end).map(|number| {
            let job = &self.jobs[number];
            let id = self.id("job_", number);
            json!({
                "id": id, "title": self.job_title(number),
                "status": if job.closed.is_some() { "COMPLETED" } else { "OPEN" },
                "published": true, "acceptingApplicants": job.closed.is_none(),
                "createdAt": iso_time(job.created), "updatedAt": iso_time(job.closed.unwrap_or(job.created)),
                "jobUrl": format!("https://jobs.example/{id}"),
                "proposalCounts": { "total": job.proposals, "unreviewed": job.proposals / 3 },
            })
        });
        let jobs: Vec<Value> = jobs.collect();
        let next = (end < self.jobs.len()).then(|| self.id("job_", end - 1));
        json!({ "jobs": jobs, "nextCursor": next })
    }

    fn proposal(&self, number: usize) -> Value {
        let proposal = &self.proposals[number];
        let (name, (code, country)) = self.person(number);
        let first = name.split(' ').next().unwrap_or_default();
        let rate = self.rate(number);
        json!({
            "id": self.id("prop_", number), "jobId": self.id("job_", proposal.job),
            "jobTitle": self.job_title(proposal.job),
            "createdAt": iso_time(proposal.created), "updatedAt": iso_time(proposal.updated),
            "status": { "raw": proposal.status, "label": proposal.status.to_lowercase().replace('_', " ") },
            "bid": { "amountUsd": rate, "unit": "per_hour", "labelerHourlyRateUsd": null },
            "candidate": {
                "id": self.id("user_", number), "profileSlug": format!("p-{number}"), "displayName": name,
                "firstName": first, "lastNameInitial": name.trim_end_matches('.').chars().last().map(String::from),
                "profileTitle": "Annotator", "profilePhotoUrl": null, "countryCode": code, "country": country,
                "talentType": "INDIVIDUAL", "highestEarningsUsd": rate * 40, "reviewCount": number % 30,
            },
            "metrics": { "interviewScore": 50 + number % 50, "matchScore": 0.91 },
            "aiInterview": { "score": 8, "summary": "Clear answers.", "transcriptAvailable": false },
            "verification": { "location": { "status": "VERIFIED", "method": "ip", "checkedAt": null },
                              "identity": { "verified": number.is_multiple_of(2) } },
            "openLabel": null,
            "contract": proposal.contract.map(|contract| json!({ "id": self.id("ct_", contract) })),
        })
    }

    fn message(&self, number: usize) -> Value {
        let message = &self.messages[number];
        let mut nature = self.nature(4, number);
        let job = self.proposals[message.conversation].job;
        json!({
            "id": self.id("msg_", number), "createdAt": iso_time(message.created),
            "updatedAt": iso_time(message.created), "conversationId": self.id("conv_", message.conversation),
            "jobId": self.id("job_", job), "senderUserId": self.id("user_", message.conversation),
            "isFromViewer": false, "content": nature.pick(&REMARKS), "messageType": null, "system": false,
            "hasUnreadFlag": nature.one_in(3), "attachmentCount": u8::from(nature.one_in(10)), "hasAudio": false,
            "editedAt": null, "reactionCount": nature.below(3),
        })
    }

    /// The newest messages first, older ones by cursor.
    fn conversation(&self, number: usize, cursor: Option<&str>, limit: Option<&str>) -> Value {
        let messages = &self.proposals[number].messages;
        let before = cursor.and_then(|id| self.number("msg_", id, self.messages.len()));
        let end =
            before.map_or(messages.len(), |before| messages.partition_point(|at| (*at as usize) < before));
        let start = end.saturating_sub(count(limit, 20));
        let page: Vec<Value> =
            messages[start..end].iter().rev().map(|at| self.message(*at as usize)).collect();
        let next = (start > 0).then(|| self.id("msg_", messages[start] as usize));
        json!({ "messages": page, "nextCursor": next })
    }

    fn conversations(&self, limit: Option<&str>) -> Value {
        let spoken = (0..self.proposals.len()).rev().filter_map(|number| {
            let last = self.message(*self.proposals[number].messages.last()? as usize);
            Some(json!({
                "id": self.id("conv_", number), "type": "dm", "bucket": "proposal",
                "jobId": self.id("job_", self.proposals[number].job), "proposalId": self.id("prop_", number),
                "channelName": null, "updatedAt": last["createdAt"], "lastMessage": last, "unreadCount": 1,
                "needsReplyCount": 0,
            }))
        });
        json!({ "conversations": spoken.take(count(limit, 20)).collect::<Vec<_>>(), "nextCursor": null })
    }

    fn contract(&self, number: usize) -> Value {
        let contract = &self.contracts[number];
        let proposal = contract.proposal;
        let rate = self.rate(proposal);
        let (name, (_, country)) = self.person(proposal);
        let milestones: Vec<Value> = contract
            .milestones
            .iter()
            .filter(|milestone| self.milestones[**milestone].status != "cancelled")
            .map(|milestone| self.milestone(*milestone))
            .collect();
        let open = |milestone: &&Value| milestone["status"] != "PAID";
        let active = milestones.iter().find(open).cloned();
        let fraction: f64 = consumed_fraction(contract.consumed, contract.funded).parse().unwrap_or(0.0);
        json!({
            "id": self.id("ct_", number), "status": "active", "title": self.job_title(self.proposals[proposal].job),
            "jobId": self.id("job_", self.proposals[proposal].job), "proposalId": self.id("prop_", proposal),
            "paymentType": contract.payment_type, "rateUsd": rate, "estimatedTotalUsd": rate * contract.funded,
            "estimatedVolume": contract.funded, "hasActiveMilestone": active.is_some(),
            "startDate": iso_time(contract.created), "endDate": null, "createdAt": iso_time(contract.created),
            "updatedAt": iso_time(contract.updated),
            "freelancer": { "userId": self.id("user_", proposal), "displayName": name, "country": country,
                            "profilePath": format!("/talent/p-{proposal}") },
            "milestones": milestones, "jobDmConversationId": self.id("conv_", proposal),
            "budget": {
                "contractId": self.id("ct_", number), "paymentType": contract.payment_type,
                "state": contract.state, "fundedVolume": contract.funded, "fundedAmountUsd": contract.funded * rate,
                "consumed": { "seconds": contract.consumed * 3600, "hours": contract.consumed, "labels": 0, "tasks": 0 },
                "consumedVolume": contract.consumed, "remainingVolume": contract.funded - contract.consumed,
                "consumedFraction": fraction, "activeMilestone": active, "lastUsageAt": null,
            },
        })
    }

    fn milestone(&self, number: usize) -> Value {
        let milestone = &self.milestones[number];
        let mut nature = self.nature(5, number);
        json!({
            "id": self.id("ms_", number), "name": nature.pick(&MILESTONES), "description": "As agreed in the chat",
            "status": milestone.status.to_uppercase(), "amountUsd": nature.between(50, 2500), "volume": null,
            "milestoneNumber": milestone.number, "dueDate": iso_time(milestone.created + 14 * 86_400_000),
            "pendingApproval": false, "needsReview": milestone.invoice.is_some() && milestone.status != "paid",
            "invoiceId": milestone.invoice.map(|invoice| self.id("inv_", invoice)),
            "createdAt": iso_time(milestone.created),
        })
    }

    fn payment(&self, number: usize) -> Value {
        let invoice = &self.invoices[number];
        let milestone = self.milestone(invoice.milestone);
        let job = self.proposals[self.contracts[self.milestones[invoice.milestone].contract].proposal].job;
        json!({
            "id": self.id("inv_", number), "status": "PENDING_PAYOUT", "invoiceKind": "MILESTONE",
            "viewerRole": "CLIENT", "amountUsd": milestone["amountUsd"], "createdAt": iso_time(invoice.created),
            "invoiceNumber": format!("2025-{number:06}"),
            "job": { "id": self.id("job_", job), "title": self.job_title(job) },
            "milestone": { "id": milestone["id"], "name": milestone["name"] },
        })
    }

    fn approval(&self, number: usize) -> Value {
        let approval = &self.approvals[number];
        let contract = self.milestones[approval.milestone].contract;
        let proposal = self.contracts[contract].proposal;
        let id = self.id("appr_", number);
        let created = approval.resolved - 7_200_000;
        let result = (approval.status == "confirmed").then(|| match approval.kind {
            "proposal_hire" => json!({ "hired": true, "contractId": self.id("ct_", contract),
                "jobId": self.id("job_", self.proposals[proposal].job),
                "freelancerUserId": self.id("user_", proposal) }),
            "milestone_fund" => json!({ "invoiceId": null, "paymentIntentId": format!("pi_{number}") }),
            "milestone_approve" => {
                json!({ "invoiceId": null, "payoutTransactionId": format!("po_{number}") })
            }
            _ => json!({ "contractEnded": true }),
        });
        json!({
            "id": id, "type": approval.kind, "status": approval.status, "contractId": self.id("ct_", contract),
            "milestoneId": self.id("ms_", approval.milestone), "jobId": self.id("job_", self.proposals[proposal].job),
            "proposalId": self.id("prop_", proposal),
            "approvalUrl": format!("https://app.example/approve/{id}?t=s3cr3t{number}"),
            "expiresAt": iso_time(created + 72 * 3_600_000), "resolvedAt": iso_time(approval.resolved),
            "result": result, "createdAt": iso_time(created),
        })
    }
}
