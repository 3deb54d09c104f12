// Whether this delivery is ours to process. The claim was written before the others were read, so of several at once
// only the one with the lowest row sees none before it.
const LEASE_MS = 60000; // longer than an execution may take: an older claim belongs to one that died
const claim = $('Claim').first().json.id;
const rows = $input.all().map((item) => item.json);
const events = rows.filter((row) => row.event !== 'claim').map((row) => row.event);
const heldByAnother = rows.some((row) => row.event === 'claim' && row.id < claim && Date.now() - row.at < LEASE_MS);

const decision = events.includes('done') ? 'repeated' : heldByAnother ? 'busy' : 'process';
return [{ json: { decision, claim, posted: events } }];
