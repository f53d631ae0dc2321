// A browser starts no worker for a page that was opened as a file. The search's worker
// then runs in a hidden frame, which passes messages on in the same way.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      this.onmessage = null
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.srcdoc = `<script>
        const page = parent
        self.postMessage = data => page.dispatchEvent(
          new MessageEvent("frame-answer", { data }))
      <\/script><script src="${new URL(url, location)}"><\/script>`
      window.addEventListener("frame-answer", ({ data }) => this.answer(data))
      frame.onload = () => {
        this.frame = frame
        this.waiting.splice(0).forEach(data => this.postMessage(data))
      }
      document.body.append(frame)
    }
    answer(data) {
      const event = new MessageEvent("message", { data })
      this.dispatchEvent(event)
      this.onmessage?.(event)
    }
    postMessage(data) {
      if (!this.frame) return void this.waiting.push(data)
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
    }
    terminate() {
      this.frame?.remove()
    }
  }
}
