// How the market stands, in words alone: a language model that never sees a figure cannot misquote one.
const response = $input.first().json;
const pulse = response.statusCode === 200 ? response.body : null;

function movement(row) {
  if (row.delta_pct === null) return 'did not trade';
  const size = Math.abs(Number(row.delta_pct));
  if (size < 0.05) return 'is about unchanged';
  return `${Number(row.delta_pct) > 0 ? 'rose' : 'fell'} ${size < 0.5 ? 'slightly' : size < 3 ? 'clearly' : 'strongly'}`;
}

const facts = (pulse?.data ?? []).slice(0, 25).map((row) => {
  const spikes = row.spike_status === 'none' ? '' : `, with a ${row.spike_status.replace(/_/g, ' ')} spike`;
  return `${row.symbol} ${movement(row)}${spikes}${row.is_complete ? '' : ', its data is incomplete'}.`;
});

const llm = Boolean($env.LLM_BASE_URL) && facts.length > 0;
return [{ json: { pulse, facts, llm, prompt: llm ? promptFor(facts, 'Sum up how these symbols moved:') : null } }];
