// openai-node when it is sent extension events after all: what its iterator and its accumulator make of them.
import OpenAI from 'openai';
import { forEveryRoute, scenario, tell } from './scenario.mjs';

const client = new OpenAI({
  baseURL: `${scenario.url}/v1`,
  apiKey: scenario.key,
  defaultHeaders: { 'segue-fallback-events': 'events' },
});

async function iterated(question) {
  const kinds = [];
  for await (const event of await client.responses.create({ ...question, stream: true })) kinds.push(event.type);
  return kinds;
}

tell(
  await forEveryRoute(async (model) => {
    const question = { model, input: 'Hi there' };
    const accumulated = await client.responses
      .stream(question)
      .finalResponse()
      .then((response) => ({ text: response.output_text }))
      .catch((error) => ({ error: String(error) }));
    return { iterated: await iterated(question), accumulated };
  }),
);
