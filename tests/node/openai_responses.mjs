// openai-node, Responses: created, iterated, accumulated.
import OpenAI from 'openai';
import { forEveryRoute, scenario, tell } from './scenario.mjs';

const client = new OpenAI({
  baseURL: `${scenario.url}/v1`,
  apiKey: scenario.key,
  defaultHeaders: scenario.headers,
});

const calls = (response) =>
  response.output.filter((item) => item.type === 'function_call').map((call) => [call.name, call.arguments]);

const words = (item) => (item.content ?? []).map((part) => part.text ?? '').join('');

async function iterated(question) {
  const kinds = [];
  const items = [];
  let text = '';
  let finished = '';
  for await (const event of await client.responses.create({ ...question, stream: true })) {
    kinds.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.output_item.done') items.push([event.item.status, words(event.item)]);
    if (event.type === 'response.completed') finished = event.response.output.map(words).join('');
  }
  const foreign = kinds.filter((kind) => !kind.startsWith('response.'));
  return { iterated: { text, first: kinds[0], last: kinds.at(-1), foreign }, items, finished };
}

tell(
  await forEveryRoute(async (model) => {
    const question = { model, input: 'Hi there', ...(scenario.tools ? { tools: scenario.tools } : {}) };
    const created = await client.responses.create(question);
    const accumulated = await client.responses.stream(question).finalResponse();
    return {
      created: created.output_text,
      ...(await iterated(question)),
      accumulated: accumulated.output_text,
      status: [created.status, accumulated.status],
      calls: [calls(created), calls(accumulated)],
      summaries: accumulated.output.flatMap((item) => (item.summary ?? []).map((part) => part.text)),
    };
  }),
);
