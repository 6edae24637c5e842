// openai-node, Chat Completions: created, iterated, accumulated.
import OpenAI from 'openai';
import { forEveryRoute, scenario, tell } from './scenario.mjs';

const client = new OpenAI({
  baseURL: `${scenario.url}/v1`,
  apiKey: scenario.key,
  defaultHeaders: scenario.headers,
});
const messages = [{ role: 'user', content: 'Hi there' }];

const calls = (message) => (message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments]);

// `kept`: what is left for a program that knows the chunk which takes back everything before it.
async function iterated(question) {
  let text = '';
  let kept = '';
  for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
    if (chunk.segue?.fallback_start) kept = '';
    text += chunk.choices[0].delta.content ?? '';
    kept += chunk.choices[0].delta.content ?? '';
  }
  return { iterated: text, kept };
}

tell(
  await forEveryRoute(async (model) => {
    const question = { model, messages, ...(scenario.tools ? { tools: scenario.tools } : {}) };
    const created = (await client.chat.completions.create(question)).choices[0];
    const stream = client.chat.completions.stream({ ...question, stream_options: { include_usage: true } });
    const accumulated = await stream.finalChatCompletion();
    const [choice] = accumulated.choices;
    return {
      created: created.message.content,
      ...(await iterated(question)),
      accumulated: choice.message.content,
      finish: [created.finish_reason, choice.finish_reason],
      calls: [calls(created.message), calls(choice.message)],
      tokens: accumulated.usage.total_tokens,
    };
  }),
);
