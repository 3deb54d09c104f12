// What the messages of both flows are made of.
const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const section = (text) => ({ type: 'section', text: { type: 'mrkdwn', text } });
const hourAndMinute = (time) => time.slice(11, 16);

function bylineOf(judged, asked) {
  if (judged.text) return 'Words by a language model, figures from the lake.';
  return asked ? `Figures from the lake. The language model's text was left out: ${judged.refusal}.` : 'Figures from the lake.';
}

function slackMessage(text, title, sections, byline) {
  const header = { type: 'header', text: { type: 'plain_text', text: title } };
  const context = { type: 'context', elements: [{ type: 'mrkdwn', text: escaped(byline) }] };
  return { text: escaped(text), blocks: [header, ...sections.map(section), context] };
}
