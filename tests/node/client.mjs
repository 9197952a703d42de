// What the unchanged JavaScript client of OpenAI's API meets at a gateway. Usage: node client.mjs SCENARIO; one line of JSON is
// printed. The gateway is that of OPENAI_BASE_URL and OPENAI_API_KEY, as for every program that uses this client.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: "Say hello" }];
const asked = { model: "action", messages };
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];

// The client's own class of the error, its status and words.
async function caught(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { kind: error.constructor.name, status: error.status ?? null, words: error.message, code: error.code ?? null };
  }
}

async function parts(stream) {
  const found = { text: "", usage: null, calls: [], finish: null };
  for await (const chunk of stream) {
    found.usage = chunk.usage ?? found.usage;
    for (const choice of chunk.choices) {
      found.text += choice.delta.content ?? "";
      found.calls.push(...(choice.delta.tool_calls ?? []));
      found.finish = choice.finish_reason ?? found.finish;
    }
  }
  return found;
}

const scenarios = {
  async whole() {
    const { data, response } = await client.chat.completions
      .create(asked, { headers: { "x-session-id": "s1" } })
      .withResponse();
    const headers = Object.fromEntries(response.headers);
    return { text: data.choices[0].message.content, usage: data.usage, request: data._request_id, headers };
  },

  async streamed() {
    const plain = await parts(await client.chat.completions.create({ ...asked, stream: true }));
    const counted = { ...asked, stream: true, stream_options: { include_usage: true } };
    return { plain, counted: await parts(await client.chat.completions.create(counted)) };
  },

  async helper() {
    const { message } = (await client.chat.completions.stream({ ...asked, tools }).finalChatCompletion()).choices[0];
    return { role: message.role, text: message.content, calls: message.tool_calls ?? [] };
  },

  async tools() {
    const whole = await client.chat.completions.create({ ...asked, tools });
    const streamed = await parts(await client.chat.completions.create({ ...asked, tools, stream: true }));
    return { calls: whole.choices[0].message.tool_calls, finish: whole.choices[0].finish_reason, streamed };
  },

  async models() {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model.id);
    return { listed, one: await client.models.retrieve("base"), none: await caught(client.models.retrieve("gpt-9")) };
  },

  async refused() {
    const stranger = new OpenAI({ maxRetries: 0, apiKey: "gp_wrong" });
    return {
      stranger: await caught(stranger.chat.completions.create(asked)),
      unknown: await caught(client.chat.completions.create({ ...asked, model: "gpt-9" })),
      wrong: await caught(client.chat.completions.create({ ...asked, max_tokens: 0 })),
    };
  },

  async limited() {
    const first = await caught(client.chat.completions.create(asked));
    return { first, second: await caught(client.chat.completions.create(asked)) };
  },

  async cut() {
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    return await caught(parts(stream));
  },

  async idempotent() {
    const texts = [];
    for (let time = 0; time < 2; time++) {
      const headers = { "Idempotency-Key": "k1" };
      texts.push((await client.chat.completions.create(asked, { headers })).choices[0].message.content);
    }
    const headers = { "Idempotency-Key": "k1" };
    const other = { ...asked, messages: [{ role: "user", content: "Say goodbye" }] };
    return { texts, other: await caught(client.chat.completions.create(other, { headers })) };
  },

  async abort() {
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (text) break; // which closes the connection
    }
    return { text };
  },

  async retries() {
    const patient = new OpenAI({ maxRetries: 3 });
    return { text: (await patient.chat.completions.create(asked)).choices[0].message.content };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));
