// Words may come from a language model; figures, advice and markup may not. A text with any of them is refused as a
// whole: what is left of a sentence without its figure may say something else.
const LONGEST_NARRATIVE = 600;
const NUMBER_WORDS = /\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?|dozens?|doubl\w*|tripl\w*|quadrupl\w*|twice|thrice|half|halv\w*|quarter|percent\w*)\b/i;
const ADVICE_WORDS = /\b(buy\w*|sell\w*|hold|recommend\w*|advis\w*|should|must|invest\w*|opportunit\w*|guarantee\w*|target|moon\w*)\b/i;

function judgeNarrative(answer, symbols) {
  if (typeof answer !== 'string' || answer.trim() === '') return { text: null, refusal: 'no text came' };
  const text = answer.trim().replace(/\s+/g, ' ');
  if (text.length > LONGEST_NARRATIVE) return { text: null, refusal: 'too long' };
  const withoutSymbols = [...symbols].sort((a, b) => b.length - a.length).reduce((left, symbol) => left.split(symbol).join(' '), text);
  if (/[\p{N}%]/u.test(withoutSymbols)) return { text: null, refusal: 'digits' };
  if (NUMBER_WORDS.test(withoutSymbols)) return { text: null, refusal: 'a number in words' };
  if (ADVICE_WORDS.test(withoutSymbols)) return { text: null, refusal: 'advice' };
  if (/[<>@`*_#[\]{}|~\\]|:\/\/|www\./.test(withoutSymbols)) return { text: null, refusal: 'markup or a link' };
  return { text, refusal: null };
}

function answerOf(response) {
  return response?.statusCode === 200 ? response.body?.choices?.[0]?.message?.content : undefined;
}

function promptFor(facts, task) {
  return {
    model: $env.LLM_MODEL || 'gpt-4o-mini',
    temperature: 0.2,
    max_tokens: 200,
    messages: [
      {
        role: 'system',
        content:
          'You report on a market in a neutral tone, in at most three short plain sentences of English. You describe what happened and name no cause ' +
          'that is not given. Never write a number, neither in digits nor in words: the figures stand beside your text. No advice, no forecast, no markup, no links. ' +
          'Name symbols exactly as given.',
      },
      { role: 'user', content: `${task}\n${facts.map((fact) => `- ${fact}`).join('\n')}` },
    ],
  };
}
