/* "This one, but in red": a shopper changes a garment on its product page and sees the real ones that match.

   <script src="https://find.shop.example/widget.js" data-item="images/shirt-17" data-key="KEY" async></script>

   data-item        the garment: an item's id or item_id                      required
   data-key         an API key of the kind "items", for pages show it to everybody
   data-attributes  what can be changed, "sleeve,color" unless said otherwise
   data-count       how many garments to show, 8
   data-lang        en, ko, zh; otherwise the page's language
   data-theme       light or dark; otherwise what the shopper's system says
   data-target      where it goes, a CSS selector; otherwise where the script stands

   The element it makes sends "amgan:found" with the service's answer whenever garments were found. */
(() => {
  "use strict";

  const TEXT = {
    en: {
      title: "Almost right? Change it.",
      keep: "as it is",
      sleeve: "Sleeve", color: "Colour", collar: "Collar", fastening: "Fastening", pattern: "Pattern", kind: "Kind",
      edited: "Your change, drawn on this garment",
      editedAlt: "This garment with {changes}",
      found: "In the shop",
      count: "{n} garments found for {changes}.",
      nothing: "Nothing like that in the shop. Try another change.",
      working: "Drawing and searching …",
      busy: "Many people are searching at the moment.",
      failed: "That did not work.",
      again: "Try again",
      more: "Show more",
    },
    ko: {
      title: "조금만 다르면 좋겠다면, 바꿔 보세요.",
      keep: "그대로",
      sleeve: "소매", color: "색상", collar: "칼라", fastening: "여밈", pattern: "무늬", kind: "종류",
      edited: "이 옷에 바꾼 모습을 그렸습니다",
      editedAlt: "바꾼 모습: {changes}",
      found: "판매 중인 상품",
      count: "{changes}: 상품 {n}개를 찾았습니다.",
      nothing: "비슷한 상품이 없습니다. 다르게 바꿔 보세요.",
      working: "그리고 찾는 중 …",
      busy: "지금 이용자가 많습니다.",
      failed: "처리하지 못했습니다.",
      again: "다시 시도",
      more: "더 보기",
    },
    zh: {
      title: "差一点就满意？改一改。",
      keep: "保持不变",
      sleeve: "袖长", color: "颜色", collar: "领型", fastening: "门襟", pattern: "图案", kind: "款式",
      edited: "在这件衣服上画出的修改效果",
      editedAlt: "修改后的这件衣服：{changes}",
      found: "店内商品",
      count: "{changes}：找到 {n} 件商品。",
      nothing: "店里没有类似的商品，换一种修改试试。",
      working: "正在绘制和搜索……",
      busy: "现在使用的人较多。",
      failed: "没有成功。",
      again: "重试",
      more: "显示更多",
    },
  };

  // Values as the catalogue names them; one that is not here is shown as it is.
  const VALUES = {
    ko: {
      strapless: "어깨끈 없음", spaghetti: "끈", sleeveless: "민소매", "extra short": "아주 짧게", short: "반팔",
      elbow: "5부", "3/4": "7부", long: "긴팔", "extra long": "아주 길게",
      black: "검정", white: "흰색", gray: "회색", charcoal: "차콜", navy: "남색", indigo: "인디고", blue: "파랑",
      "light blue": "하늘색", red: "빨강", maroon: "버건디", pink: "분홍", purple: "보라", green: "초록",
      olive: "올리브", yellow: "노랑", orange: "주황", beige: "베이지", brown: "갈색",
    },
    zh: {
      strapless: "抹胸", spaghetti: "吊带", sleeveless: "无袖", "extra short": "超短袖", short: "短袖",
      elbow: "五分袖", "3/4": "七分袖", long: "长袖", "extra long": "超长袖",
      black: "黑色", white: "白色", gray: "灰色", charcoal: "炭灰", navy: "藏青", indigo: "靛蓝", blue: "蓝色",
      "light blue": "浅蓝", red: "红色", maroon: "酒红", pink: "粉色", purple: "紫色", green: "绿色",
      olive: "橄榄绿", yellow: "黄色", orange: "橙色", beige: "米色", brown: "棕色",
    },
  };
  const LENGTHS = ["strapless", "spaghetti", "sleeveless", "extra short", "short", "elbow", "3/4", "long", "extra long"];
  const SWATCHES = {
    black: "#1c1c1e", white: "#ffffff", gray: "#9a9da3", charcoal: "#45484d", navy: "#1f2d57", indigo: "#3d3f8f",
    blue: "#2f6fd0", "light blue": "#9cc4ec", red: "#d0312d", maroon: "#7a1f2b", pink: "#f19bb6", purple: "#7a4aa8",
    green: "#2f8f4e", olive: "#76783a", yellow: "#f2c928", orange: "#ee8130", beige: "#dccbaa", brown: "#7a5233",
  };

  const STYLE = "widget.css"; // in its place the service puts what that file holds

  /* An element; text goes in as text, so that nothing a catalogue says can become markup. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  class Widget {
    constructor(script) {
      const given = script.dataset;
      this.service = new URL(".", script.src);
      this.item = given.item;
      this.key = given.key;
      this.count = Math.min(Math.max(parseInt(given.count, 10) || 8, 1), 40);
      this.asked = (given.attributes || "sleeve,color").split(",").map((name) => name.trim());
      const language = (given.lang || document.documentElement.lang || navigator.language || "en").slice(0, 2);
      this.language = TEXT[language] ? language : "en";
      this.text = TEXT[this.language];
      this.host = make("div", { lang: this.language, theme: given.theme, class: "amgan-widget" });
      const target = given.target && document.querySelector(given.target);
      if (target) target.append(this.host);
      else script.after(this.host);
      this.edits = {};
      this.start();
    }

    say(key, values = {}) {
      return this.text[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }

    named(value) {
      return VALUES[this.language]?.[value] || value;
    }

    get changes() {
      return Object.values(this.edits).map((value) => this.named(value)).join(", ");
    }

    async ask(path, body) {
      const headers = { Accept: "application/json" };
      if (this.key) headers["X-API-Key"] = this.key;
      if (body) headers["Content-Type"] = "application/json";
      this.running?.abort();
      const running = (this.running = new AbortController());
      const response = await fetch(new URL(path, this.service), {
        method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal: running.signal,
      });
      if (!response.ok) {
        const problem = await response.json().catch(() => ({}));
        console.warn("amgan:", response.status, problem.detail || "", problem.request_id || "");
        throw Object.assign(new Error(problem.detail), { busy: response.status === 429 || response.status === 503 });
      }
      return response.json();
    }

    /* Nothing is shown before the service has said what can be changed: a page without it is a page as it was. */
    async start() {
      let known;
      try {
        known = await this.ask("v1/attributes");
      } catch (error) {
        console.warn("amgan: the widget is not shown,", error.message);
        return;
      }
      const editable = known.attributes.filter((attribute) => attribute.edits.length);
      const wanted = this.asked.flatMap((name) => editable.filter((attribute) => attribute.name === name));
      this.draw(wanted.length ? wanted : editable);
    }

    draw(attributes) {
      this.status = make("p", { class: "status", role: "status" });
      this.figure = make("figure", { hidden: "" });
      this.list = make("ul");
      this.more = make("button", { type: "button", hidden: "" }, this.say("more"));
      this.more.addEventListener("click", () => this.search(this.next));
      const hits = make("div", {}, make("h3", {}, this.say("found")), this.list, make("p", { class: "more" }, this.more));
      this.answer = make("div", { class: "answer", hidden: "" }, this.figure, hits);
      const fields = attributes.map((attribute) => this.field(attribute));
      const title = make("h2", { id: "title" }, this.say("title"));
      const section = make("section", { "aria-labelledby": "title" }, title, ...fields, this.status, this.answer);
      this.host.attachShadow({ mode: "open" }).append(make("style", {}, STYLE), section);
    }

    field(attribute) {
      const chips = make("div", { class: "chips" });
      const values = [...attribute.edits];
      if (attribute.name === "sleeve") values.sort((a, b) => LENGTHS.indexOf(a) - LENGTHS.indexOf(b));
      for (const value of [null, ...values]) {
        const radio = make("input", { type: "radio", name: attribute.name, value: value ?? "" });
        radio.checked = value === null;
        radio.addEventListener("change", () => this.change(attribute.name, value));
        const chip = make("span");
        if (attribute.name === "color" && SWATCHES[value]) {
          const swatch = make("i", { "aria-hidden": "true" });
          swatch.style.background = SWATCHES[value];
          chip.append(swatch);
        }
        chip.append(value === null ? this.say("keep") : this.named(value));
        chips.append(make("label", {}, radio, chip));
      }
      return make("fieldset", {}, make("legend", {}, this.text[attribute.name] || attribute.name), chips);
    }

    /* Arrow keys pass over values on their way, so a search waits until the choice has settled. */
    change(name, value) {
      if (value === null) delete this.edits[name];
      else this.edits[name] = value;
      clearTimeout(this.settling);
      this.running?.abort();
      if (Object.keys(this.edits).length) {
        this.settling = setTimeout(() => this.search(1), 250);
      } else {
        this.status.replaceChildren();
        this.answer.removeAttribute("aria-busy");
        this.answer.hidden = true;
      }
    }

    async search(page) {
      this.status.replaceChildren(this.say("working"));
      this.answer.setAttribute("aria-busy", "true");
      const body = { item: this.item, edits: this.edits, k: this.count, page, picture: page === 1 ? "source" : "none" };
      try {
        this.show(await this.ask("v1/search", body), page);
      } catch (error) {
        if (error.name === "AbortError") return; // another search has begun
        this.fail(error, page);
      }
      this.answer.removeAttribute("aria-busy");
    }

    show(found, page) {
      if (page === 1) {
        const picture = make("img", { src: found.picture, alt: this.say("editedAlt", { changes: this.changes }) });
        this.figure.replaceChildren(picture, make("figcaption", {}, this.say("edited")));
        this.figure.hidden = false;
        this.list.replaceChildren();
      }
      const cards = found.hits.map((hit) => make("li", {}, this.card(hit)));
      this.list.append(...cards);
      this.next = found.next_page;
      this.more.hidden = !this.next || this.list.children.length >= 5 * this.count;
      this.answer.hidden = false;
      const count = { n: this.list.children.length, changes: this.changes };
      this.status.replaceChildren(this.say(count.n ? "count" : "nothing", count));
      if (page > 1) cards[0]?.firstChild.focus();
      this.host.dispatchEvent(new CustomEvent("amgan:found", { detail: found, bubbles: true, composed: true }));
    }

    card(hit) {
      const source = new URL(`${hit.picture.replace(/^\//, "")}?width=320`, this.service);
      const looks = Object.values({ ...hit.predicted, ...hit.given }).map((value) => this.named(value)).join(", ");
      const name = hit.details.name || looks;
      const price = this.priced(hit.details);
      const link = /^https?:\/\//i.test(hit.url || "") ? hit.url : null; // whatever else it is, nobody is sent there
      const card = make(link ? "a" : "div", { class: "card", href: link }, make("img", {
        src: source, alt: looks, loading: "lazy", width: 320, height: 320,
      }), make("span", { class: "name" }, name));
      if (price) card.append(make("span", { class: "price" }, price));
      return card;
    }

    priced({ price, currency }) {
      const amount = Number(price);
      if (!price || !/^[A-Z]{3}$/.test(currency || "") || Number.isNaN(amount)) return [price, currency].join(" ").trim();
      return new Intl.NumberFormat(this.language, { style: "currency", currency }).format(amount);
    }

    fail(error, page) {
      const again = make("button", { type: "button" }, this.say("again"));
      again.addEventListener("click", () => this.search(page));
      this.status.replaceChildren(this.say(error.busy ? "busy" : "failed"), again);
    }
  }

  const script = document.currentScript;
  if (!script?.dataset.item) console.warn("amgan: the widget's script tag needs data-item");
  else new Widget(script);
})();
