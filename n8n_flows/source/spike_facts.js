// What is known of the spike, in words alone: a language model that never sees a figure cannot misquote one.
const { spike } = $('Verify signature').first().json;
const response = $input.first().json;
const context = response.statusCode === 200 ? response.body.data : null;

const moved = spike.return_1m === null ? null : Number(spike.return_1m);
const facts = [`${spike.symbol} had a ${spike.kind} spike in one minute of trading.`];
facts.push(
  spike.kind === 'volume'
    ? 'Its volume in that minute was far above the average of the minutes before.'
    : 'Its price moved much further in that minute than in the minutes before.',
);
if (moved !== null) facts.push(moved === 0 ? 'The price ended the minute where it began.' : `The price ${moved > 0 ? 'rose' : 'fell'} in that minute.`);
if (context && context.minutes_before.length > 0) {
  const sign = Math.sign(Number(spike.price) - Number(context.minutes_before[0].close));
  facts.push(sign === 0 ? 'It stands where it stood some minutes before.' : `It stands ${sign > 0 ? 'above' : 'below'} where it stood some minutes before.`);
}
if (!spike.is_complete) facts.push('Trades of that minute are missing, so the picture may change.');

const llm = Boolean($env.LLM_BASE_URL);
return [{ json: { spike, context, facts, llm, prompt: llm ? promptFor(facts, 'Explain this spike to a trading desk:') : null } }];
