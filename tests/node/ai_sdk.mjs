// Vercel's AI SDK: streamText through each of its three providers, with a tool if the scenario has tools.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { forEveryRoute, scenario, tell } from './scenario.mjs';

const openai = createOpenAI({ baseURL: `${scenario.url}/v1`, apiKey: scenario.key });
const anthropic = createAnthropic({ baseURL: `${scenario.url}/v1`, apiKey: scenario.key });
const models = {
  responses: (name) => openai.responses(name),
  chat: (name) => openai.chat(name),
  messages: (name) => anthropic(name),
};

const tools = Object.fromEntries(
  (scenario.tools ?? []).map(({ name, parameters }) => [
    name,
    tool({ inputSchema: jsonSchema(parameters), execute: async ({ city }) => `${name} of ${city}` }),
  ]),
);

async function streamed(model) {
  const errors = [];
  const result = streamText({
    model,
    prompt: 'Hi there',
    tools,
    stopWhen: stepCountIs(3),
    onError: ({ error }) => errors.push(String(error)),
  });
  let text = '';
  for await (const part of result.textStream) text += part;
  const steps = await result.steps;
  return {
    text,
    errors,
    finish: await result.finishReason,
    calls: steps.flatMap((step) => step.toolCalls.map((call) => [call.toolName, call.input])),
    reasoning: steps.map((step) => step.reasoningText ?? '').join(''),
    output: (await result.totalUsage).outputTokens,
  };
}

tell(
  await forEveryRoute(async (route) => {
    const found = {};
    for (const [vocabulary, make] of Object.entries(models)) found[vocabulary] = await streamed(make(route));
    return found;
  }),
);
