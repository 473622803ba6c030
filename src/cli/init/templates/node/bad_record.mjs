// The error of a record that has no result. You need not change this file.

// Throw it for a record that has no result. The code says why, such as `no_price`.
export class BadRecord extends Error {
  constructor(code) {
    super(code);
    this.name = "BadRecord";
    this.code = String(code);
  }
}
