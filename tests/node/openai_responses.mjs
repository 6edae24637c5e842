// openai-node, Responses: created, iterated, accumulated.
import OpenAI from 'openai';
import { forEveryRoute, scenario, tell } from './scenario.mjs';

const client = new OpenAI({ baseURL: `${scenario.url}/v1`, apiKey: scenario.key });

const calls = (response) =>
  response.output.filter((item) => item.type === 'function_call').map((call) => [call.name, call.arguments]);

async function iterated(question) {
  const kinds = [];
  let text = '';
  for await (const event of await client.responses.create({ ...question, stream: true })) {
    kinds.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
  }
  return { text, first: kinds[0], last: kinds.at(-1), foreign: kinds.filter((kind) => !kind.startsWith('response.')) };
}

tell(
  await forEveryRoute(async (model) => {
    const question = { model, input: 'Hi there', ...(scenario.tools ? { tools: scenario.tools } : {}) };
    const created = await client.responses.create(question);
    const accumulated = await client.responses.stream(question).finalResponse();
    return {
      created: created.output_text,
      iterated: await iterated(question),
      accumulated: accumulated.output_text,
      status: [created.status, accumulated.status],
      calls: [calls(created), calls(accumulated)],
      summaries: accumulated.output.flatMap((item) => (item.summary ?? []).map((part) => part.text)),
    };
  }),
);
