package main

import (
	"encoding/json"
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

type proxyQuestion struct {
	HTTP   string `json:"http"`
	HTTPS  string `json:"https"`
	Bypass string `json:"bypass"`
	CGI    bool   `json:"cgi"`
	Target string `json:"target"`
}

type proxyAnswer struct {
	Scheme   string `json:"scheme"`
	Host     string `json:"host"`
	Port     string `json:"port"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// readProxy gives the proxy that golang.org/x/net/http/httpproxy chooses for a target; nothing where it chooses none.
func readProxy(document []byte) (any, error) {
	var question proxyQuestion
	if err := json.Unmarshal(document, &question); err != nil {
		return nil, err
	}
	target, err := url.Parse(question.Target)
	if err != nil {
		return nil, err
	}
	config := httpproxy.Config{
		HTTPProxy: question.HTTP, HTTPSProxy: question.HTTPS, NoProxy: question.Bypass, CGI: question.CGI,
	}
	proxy, err := config.ProxyFunc()(target)
	if err != nil || proxy == nil {
		return []proxyAnswer{}, err
	}
	password, _ := proxy.User.Password()
	return []proxyAnswer{{proxy.Scheme, proxy.Hostname(), proxy.Port(), proxy.User.Username(), password}}, nil
}
