const SHOWN_SYMBOLS = 25;
const { pulse, llm } = $('Facts').first().json;

// With more symbols than a message holds: those with a spike first, then by how far they moved.
function shown(rows) {
  if (rows.length <= SHOWN_SYMBOLS) return rows;
  const weight = (row) => (row.spike_status === 'none' ? 0 : 1e9) + Math.abs(Number(row.delta_pct ?? 0));
  return [...rows].sort((a, b) => weight(b) - weight(a)).slice(0, SHOWN_SYMBOLS);
}

// Slack takes 3,000 characters a section, Telegram 4,096 a message.
function named(symbols) {
  const more = symbols.length - SHOWN_SYMBOLS;
  return symbols.slice(0, SHOWN_SYMBOLS).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function cells(row) {
  if (row.delta_pct === null) return [row.symbol, '-', '-', '-', 'no trades'];
  const spike = row.spike_status.replace(/_/g, ' ');
  return [row.symbol, withSign(trimZeros(row.delta_pct)), trimZeros(row.vwap), trimZeros(row.volume), row.is_complete ? spike : `${spike} (incomplete)`];
}

const rows = pulse ? shown(pulse.data) : [];
const table = rows.length > 0 ? asTable([['symbol', 'delta %', 'VWAP', 'volume', 'spike'], ...rows.map(cells)]) : null;
const title = table
  ? `Market Pulse ${pulse.window.end.slice(0, 10)} ${hourAndMinute(pulse.window.start)} to ${hourAndMinute(pulse.window.end)} UTC`
  : 'Market Pulse';

const judged = llm ? judgeNarrative(answerOf($input.first().json), pulse.data.map((row) => row.symbol)) : { text: null, refusal: null };
const rising = rows.filter((row) => Number(row.delta_pct ?? 0) > 0).length;
const falling = rows.filter((row) => Number(row.delta_pct ?? 0) < 0).length;
const spiking = rows.filter((row) => row.spike_status !== 'none').map((row) => row.symbol);
const template = `${rising} of ${rows.length} rose, ${falling} fell. ${spiking.length > 0 ? `Spikes: ${spiking.join(', ')}.` : 'No spikes.'}`;
const narrative = table ? (judged.text ?? template) : null;

const notes = [];
if (!pulse) notes.push('The read API did not answer: how the market stands is not known.');
else if (!table) notes.push('The lake holds no minute of these symbols yet.');
else {
  if (pulse.incomplete_symbols.length > 0) notes.push(`Data incomplete, trades are missing: ${named(pulse.incomplete_symbols)}.`);
  if (!pulse.is_fresh) notes.push(`Data is old: the newest minute ended ${pulse.age_seconds} seconds before it was read.`);
  if (pulse.data.length > rows.length) notes.push(`${pulse.data.length - rows.length} more symbols are not shown.`);
}
const byline = bylineOf(judged, llm);

const sections = [...(narrative ? [escaped(narrative)] : []), ...(table ? [`\`\`\`${escaped(table)}\`\`\``] : []), ...notes.map(escaped)];
const slack = slackMessage([title, ...notes].join('. '), title, sections, byline);
const lines = [`<b>${escaped(title)}</b>`, ...(narrative ? [escaped(narrative)] : []), ...(table ? [`<pre>${escaped(table)}</pre>`] : []), ...notes.map(escaped), `<i>${escaped(byline)}</i>`];
const telegram = { chat_id: $env.TELEGRAM_CHAT_ID || '', text: lines.join('\n'), parse_mode: 'HTML', link_preview_options: { is_disabled: true } };
return [{ json: { slack, telegram, to_slack: Boolean($env.SLACK_WEBHOOK_URL), to_telegram: Boolean($env.TELEGRAM_BOT_TOKEN && $env.TELEGRAM_CHAT_ID) } }];
