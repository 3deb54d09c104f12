// Processed is what reached every channel that is set; a channel that took it is not asked again at the next attempt.
const { channels } = $('Compose').first().json;
const before = $('Decide').first().json.posted;
const noted = { slack: $('Remember Slack').isExecuted, jira: $('Remember Jira').isExecuted };
const missing = channels.filter((channel) => !noted[channel] && !before.includes(channel));
const error = channels.length === 0 ? 'no channel is set: SLACK_WEBHOOK_URL or JIRA_URL' : `not taken by ${missing.join(' and ')}`;
const processed = channels.length > 0 && missing.length === 0;
return [{ json: { processed, error: processed ? null : error, detail: `posted to ${channels.join(' and ')}` } }];
