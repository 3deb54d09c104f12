const SHOWN_MINUTES = 5;
const { spike, context, facts, llm } = $('Facts').first().json;
const posted = $('Decide').first().json.posted;

const judged = llm ? judgeNarrative(answerOf($input.first().json), [spike.symbol]) : { text: null, refusal: null };
const narrative = judged.text ?? facts.join(' ');
const byline = bylineOf(judged, llm);

const returned = (row) => (row.return_1m === null ? '-' : withSign(percentOf(row.return_1m)));
const line = (label, row) => [label, trimZeros(row.close ?? row.price), trimZeros(row.vwap), trimZeros(row.volume), returned(row)];
const rows = [['UTC', 'price', 'VWAP', 'volume', 'return %']];
for (const row of (context?.minutes_before ?? []).slice(-SHOWN_MINUTES)) rows.push(line(hourAndMinute(row.minute), row));
rows.push(line(`${hourAndMinute(spike.minute)} at detection`, spike));
if (context?.minute_now) rows.push(line(`${hourAndMinute(spike.minute)} now`, context.minute_now));
const table = asTable(rows);

const complete = spike.is_complete && (context?.minute_now?.is_complete ?? true);
const notes = [
  ...(complete ? [] : ['Data incomplete: trades of this minute are missing.']),
  ...(context ? [] : ['The read API did not answer: only the figures of the alert are shown.']),
];
const title = `${spike.symbol}: ${spike.kind} spike, ${spike.minute.slice(0, 10)} ${hourAndMinute(spike.minute)} UTC, score ${trimZeros(spike.score)}`;

const sections = [escaped(narrative), `\`\`\`${escaped(table)}\`\`\``, ...notes.map(escaped)];
const slack = slackMessage(spike.text, title, sections, `${byline} ${spike.spike_id}`);
const paragraph = (text) => ({ type: 'paragraph', content: [{ type: 'text', text }] });
const jira = {
  fields: {
    project: { key: $env.JIRA_PROJECT_KEY || '' },
    issuetype: { name: $env.JIRA_ISSUE_TYPE || 'Task' },
    summary: title,
    labels: ['crypto-firehose', spike.spike_id],
    description: {
      type: 'doc',
      version: 1,
      content: [paragraph(narrative), { type: 'codeBlock', content: [{ type: 'text', text: table }] }, ...notes.map(paragraph), paragraph(byline)],
    },
  },
};
const channels = [...($env.SLACK_WEBHOOK_URL ? ['slack'] : []), ...($env.JIRA_URL ? ['jira'] : [])];
return [{ json: { slack, jira, channels, due: channels.filter((channel) => !posted.includes(channel)) } }];
