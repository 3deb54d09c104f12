// A message that reached nobody must show as a failed execution, also where the other channel took it.
const { to_slack, to_telegram } = $('Compose').first().json;
const took = (node) => $(node).isExecuted && $(node).first().json.statusCode >= 200 && $(node).first().json.statusCode < 300;
const failed = [...(to_slack && !took('Post to Slack') ? ['Slack'] : []), ...(to_telegram && !took('Send by Telegram') ? ['Telegram'] : [])];
if (!to_slack && !to_telegram) throw new Error('no channel is set: SLACK_WEBHOOK_URL, or TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID');
if (failed.length > 0) throw new Error(`the pulse was not taken by ${failed.join(' and ')}`);
return [{ json: { posted: true } }];
