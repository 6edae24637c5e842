// What every script here shares: the scenario comes as JSON in the first argument, the outcome goes to stdout as JSON.
// scenario: {url, key, routes: [name, …], headers: {…}, tools: […]}

export const scenario = JSON.parse(process.argv[2]);

/** Runs `ask` for every route at once; an exception is an outcome too. */
export async function forEveryRoute(ask) {
  const outcomes = await Promise.all(
    scenario.routes.map(async (route) => [route, await ask(route).catch((error) => ({ error: String(error) }))]),
  );
  return Object.fromEntries(outcomes);
}

export function tell(outcome) {
  process.stdout.write(JSON.stringify(outcome));
}
