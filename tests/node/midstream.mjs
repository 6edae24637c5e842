// Answers that broke and went on by another provider, as the official Node clients and Vercel's AI SDK read them. A route
// is called VOCABULARY-…; `obedient` is what a client makes of it that starts again at a void mark.
import Anthropic from '@anthropic-ai/sdk';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { streamText } from 'ai';
import OpenAI from 'openai';
import { forEveryRoute, scenario, tell } from './scenario.mjs';

const base = { baseURL: `${scenario.url}/v1`, apiKey: scenario.key };
const openai = new OpenAI(base);
const anthropic = new Anthropic({ baseURL: scenario.url, apiKey: scenario.key });
const prompt = 'Hi there';
const messages = [{ role: 'user', content: prompt }];
const texts = (message) => message.content.map((block) => block.text ?? '').join('');

const clients = {
  responses: {
    model: (name) => createOpenAI(base).responses(name),
    accumulated: async (model) => (await openai.responses.stream({ model, input: prompt }).finalResponse()).output_text,
    obedient: async (model) => {
      let items = [];
      for await (const event of await openai.responses.create({ model, input: prompt, stream: true })) {
        if (event.type !== 'response.output_item.done') continue;
        const isVoid = event.item.status === 'incomplete' && event.item.content?.length === 0;
        items = isVoid ? [] : [...items, event.item];
      }
      return items.filter((item) => item.type === 'message').map(texts).join('');
    },
  },
  chat: {
    model: (name) => createOpenAI(base).chat(name),
    accumulated: async (model) =>
      (await openai.chat.completions.stream({ model, messages }).finalChatCompletion()).choices[0].message.content,
    obedient: async (model) => {
      let text = '';
      for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true })) {
        if (chunk.segue?.fallback_start) text = '';
        text += chunk.choices[0]?.delta.content ?? '';
      }
      return text;
    },
  },
  messages: {
    model: (name) => createAnthropic(base)(name),
    accumulated: async (model) => texts(await anthropic.messages.stream({ model, max_tokens: 9, messages }).finalMessage()),
    obedient: async (model) => {
      let text = '';
      for await (const event of await anthropic.messages.create({ model, max_tokens: 9, messages, stream: true })) {
        if (event.type === 'content_block_stop' && event.segue?.void) text = '';
        if (event.type === 'content_block_delta') text += event.delta.text ?? '';
      }
      return text;
    },
  },
};

async function streamed(model) {
  const errors = [];
  const result = streamText({ model, prompt, onError: ({ error }) => errors.push(String(error)) });
  let text = '';
  for await (const part of result.textStream) text += part;
  return { text, errors };
}

tell(
  await forEveryRoute(async (route) => {
    const client = clients[route.split('-')[0]];
    return {
      accumulated: await client.accumulated(route),
      obedient: await client.obedient(route),
      vercel: await streamed(client.model(route)),
    };
  }),
);
