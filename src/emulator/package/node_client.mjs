// A client of Lambda's Runtime API, under which Floodway runs functions in Node.js: asks for events, calls the
// handler `module.function` in LAMBDA_TASK_ROOT, and sends what it returns or how it fails.
import { existsSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
// The id of the invocation that is running.
let current = null;

// Sends a request to the Runtime API, without a limit of time: the next event may come in hours.
function call(method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { agent, host, port, method, path: `/2018-06-01/runtime/${path}`, headers };
    const sent = request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode < 300) resolve({ headers: response.headers, text });
        // An answer that is too long, or too late: the invocation has ended, and the process goes on.
        else if (method === "POST") resolve(console.error(`${path}: ${response.statusCode} ${text}`));
        else reject(new Error(`${path}: ${response.statusCode} ${text}`));
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

// Reports a failure of the current invocation, or of the start. Without a type it is that of the error.
function report(error, type) {
  const isError = error instanceof Error;
  const failure = {
    errorType: type ?? (isError ? error.name : typeof error),
    errorMessage: isError ? error.message : String(error),
    trace: isError && error.stack ? error.stack.split("\n") : [],
  };
  console.error(isError ? error : failure.errorMessage);
  const headers = { "lambda-runtime-function-error-type": encodeURI(failure.errorType) };
  const path = current === null ? "init/error" : `invocation/${current}/error`;
  return call("POST", path, JSON.stringify(failure), headers);
}

// What is thrown where nobody waits for it ends the process, as in the cloud.
function endWith(code, error, type) {
  const end = () => process.exit(code);
  report(error, type).then(end, end);
}
process.on("uncaughtException", (error) => endWith(129, error));
process.on("unhandledRejection", (error) => endWith(128, error, "Runtime.UnhandledPromiseRejection"));

// Finds the handler.
async function load(name) {
  const dot = name.lastIndexOf(".");
  const path = join(process.env.LAMBDA_TASK_ROOT, name.slice(0, dot));
  const file = [".mjs", ".js", ".cjs"].map((suffix) => path + suffix).find((file) => existsSync(file));
  const module = await import(pathToFileURL(file ?? `${path}.mjs`));
  const handler = module[name.slice(dot + 1)] ?? module.default?.[name.slice(dot + 1)];
  if (typeof handler !== "function") {
    throw new Error(`${file} exports no function ${name.slice(dot + 1)}, which the handler ${name} names`);
  }
  if (handler.length > 2) {
    throw new Error(`${name} takes a callback: write an async function of (event, context)`);
  }
  return handler;
}

let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (error) {
  await report(error);
  process.exit(1);
}
for (;;) {
  const { headers, text } = await call("GET", "invocation/next");
  current = headers["lambda-runtime-aws-request-id"];
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const context = {
    awsRequestId: current,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  let answer;
  try {
    // What is undefined has no JSON.
    answer = JSON.stringify((await handler(JSON.parse(text), context)) ?? null);
  } catch (error) {
    await report(error);
    continue;
  }
  await call("POST", `invocation/${current}/response`, answer, { "content-type": "application/json" });
}
