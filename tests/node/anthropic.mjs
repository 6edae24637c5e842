// @anthropic-ai/sdk: created and accumulated.
import Anthropic from '@anthropic-ai/sdk';
import { forEveryRoute, scenario, tell } from './scenario.mjs';

const client = new Anthropic({ baseURL: scenario.url, apiKey: scenario.key });

const seen = (message) => ({
  blocks: message.content.map((block) => block.text ?? block.thinking ?? [block.name, block.input]),
  stop: message.stop_reason,
  output: message.usage.output_tokens,
});

tell(
  await forEveryRoute(async (model) => {
    const question = {
      model,
      max_tokens: 500,
      messages: [{ role: 'user', content: 'Hi there' }],
      ...(scenario.tools ? { tools: scenario.tools } : {}),
    };
    const created = await client.messages.create(question);
    const accumulated = await client.messages.stream(question).finalMessage();
    return { created: seen(created), accumulated: seen(accumulated) };
  }),
);
