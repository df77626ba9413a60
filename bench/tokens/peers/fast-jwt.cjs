// fast-jwt at work, without its cache: reads "verify" or "sign", answers with nanoseconds for one.
const { randomUUID } = require('node:crypto')
const { createInterface } = require('node:readline')
const { createSigner, createVerifier } = require('fast-jwt')

const [token, secret] = process.argv.slice(2)
const check = createVerifier({ key: secret, algorithms: ['HS256'], cache: false })
const write = createSigner({ key: secret, algorithm: 'HS256', kid: 'jnDv5gZN8bGA' })
const claims = check(token)
const tasks = {
  verify: () => check(token),
  sign: () => {
    const iat = Math.floor(Date.now() / 1000)
    return write({ ...claims, jti: randomUUID(), iat, exp: iat + 900 })
  },
}

createInterface({ input: process.stdin }).on('line', (line) => {
  let passed, calls
  for (const duration of [3_000_000, 30_000_000]) {
    const start = process.hrtime.bigint()
    calls = 0
    do {
      for (let call = 0; call < 64; call++) tasks[line]()
      calls += 64
      passed = Number(process.hrtime.bigint() - start)
    } while (passed < duration)
  }
  console.log(passed / calls)
})
