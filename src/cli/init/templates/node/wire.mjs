// The way of records to `answer` in handler.mjs, and of its results back. You need not change this file.
//
//     request {"v":1,"task":"NAME","records":[RECORD, ...]}
//     answer  {"v":1,"task":"NAME","results":[RESULT, ...],"ids":[0,1, ...],
//              "errors":[{"id":3,"code":"..."}]}      and on the first request "cold":true
//
// Records and results are any JSON values. The event is the request itself (a direct invoke) or a function
// URL's (payload version 2), whose body is the request.
import { BadRecord } from "./bad_record.mjs";
import { answer } from "./handler.mjs";

const VERSION = 1;
// The templates and the local Lambda set it, so that the wrong function does not answer.
const TASK = process.env.FLOODWAY_TASK;
let isCold = true;

// The event is not a request.
class InvalidEvent extends Error {
  name = "InvalidEvent";
}

// Answers one event. What `answer` throws, other than BadRecord, fails the whole request: Floodway then divides it
// until the record stands alone.
export async function handler(event) {
  const cold = isCold;
  isCold = false;
  if (!isObject(event) || !("requestContext" in event)) return answerAll(checked(event), cold);
  let request;
  try {
    request = checked(bodyOf(event));
  } catch (error) {
    if (!(error instanceof InvalidEvent)) throw error;
    // A function that fails is a 502 without a reason to a URL's caller: this says what is wrong.
    const message = { errorType: error.name, errorMessage: error.message };
    const headers = { "content-type": "application/json" };
    return { statusCode: 400, headers, body: JSON.stringify(message) };
  }
  return answerAll(request, cold);
}

async function answerAll(request, cold) {
  const [results, ids, errors] = [[], [], []];
  for (const [id, record] of request.records.entries()) {
    try {
      const result = await answer(record);
      if (result === undefined) throw new TypeError("answer returned undefined: a result is a JSON value");
      results.push(result);
      ids.push(id);
    } catch (error) {
      if (!(error instanceof BadRecord)) throw error;
      errors.push({ id, code: error.code });
    }
  }
  const made = { v: VERSION, task: request.task, results, ids, errors };
  return cold ? { ...made, cold: true } : made;
}

function checked(request) {
  if (!isObject(request) || !("v" in request) || !("task" in request)) {
    const expected = '{"v":1,"task":"NAME","records":[RECORD, ...]}';
    throw new InvalidEvent(`the event is not a request: expected ${expected}`);
  }
  if (request.v !== VERSION) {
    throw new InvalidEvent(
      `version ${JSON.stringify(request.v).slice(0, 64)} of the wire is not version ${VERSION}, which this function ` +
        "speaks: replace its wire.mjs by the one that `floodway init` of the calling floodway writes",
    );
  }
  if (TASK && request.task !== TASK) {
    throw new InvalidEvent(
      `the request is for the task ${JSON.stringify(request.task).slice(0, 64)}, and this function computes ${TASK}: ` +
        "name the function of that task with --lambda",
    );
  }
  if (!Array.isArray(request.records)) {
    throw new InvalidEvent('the request has no array "records": send one, empty if need be');
  }
  return request;
}

// The request that a function URL's event carries.
function bodyOf({ body, isBase64Encoded }) {
  if (typeof body !== "string" || body === "") {
    throw new InvalidEvent("the HTTP request has no body: POST a request of floodway's to this URL");
  }
  try {
    return JSON.parse(isBase64Encoded ? Buffer.from(body, "base64").toString("utf8") : body);
  } catch (error) {
    throw new InvalidEvent(`the body is not JSON: ${error.message}`);
  }
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
